"""`make check-redis` and `make check-db`: check the server that the engine would use."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from orderengine.config.settings import broker_url, libpq_note, sqlalchemy_url
from orderengine.local.errors import LocalError
from orderengine.local.files import FolderLock, make_folder
from orderengine.local.postgres_server import EmbeddedPostgres
from orderengine.local.redis_server import EmbeddedRedis
from orderengine.local.runfile import live_run, state_folder
from orderengine.local.server import EmbeddedServer

_TIMEOUT_S = 5
_START_S = 15.0
_POLL_S = 0.1


def check_redis(root: Path, env: Mapping[str, str]) -> str:
    """`PONG` from a server that would take the engine's messages; LocalError from any other."""
    from orderengine.redis.check import look

    cert_reqs = env.get("REDIS_SSL_CERT_REQS") or "required"
    with _server_url(root, env, "REDIS_URL") as url:
        trouble = look(broker_url(url, cert_reqs.lower()))
    if trouble is not None:
        raise LocalError(str(trouble))
    return "PONG"


def check_servers(root: Path, env: Mapping[str, str]) -> int:
    """Checks the servers that the environment names, as `make run` does first: 0 if each answers.

    Raises LocalError with the variable of the first one that does not.
    """
    if env.get("REDIS_URL"):
        check_redis(root, env)  # its error already says what to do
    for variable in ("DATABASE_URL_UNPOOLED", "DATABASE_URL"):
        if env.get(variable):
            with _naming(variable):
                check_db(root, {**env, "DATABASE_URL": env[variable]})
    return 0


@contextlib.contextmanager
def _naming(variable: str) -> Iterator[None]:
    try:
        yield
    except LocalError as error:
        message = str(error).rstrip("?")
        raise LocalError(f"{message}: is {variable} right, and the server up?") from error


def check_db(root: Path, env: Mapping[str, str]) -> str:
    """The time of a database that takes writes; LocalError if there is no answer."""
    from sqlalchemy import NullPool, create_engine, text
    from sqlalchemy.exc import SQLAlchemyError

    writing = {"connect_timeout": _TIMEOUT_S, "target_session_attrs": "read-write"}
    with _server_url(root, env, "DATABASE_URL") as url:
        try:
            engine = create_engine(sqlalchemy_url(url), poolclass=NullPool, connect_args=writing)
            with engine.connect() as connection:
                now = connection.execute(text("SELECT now()")).scalar_one()
        except (SQLAlchemyError, ValueError) as error:
            reason = getattr(error, "orig", None) or error
            words = _one_line(reason) + libpq_note()
            raise LocalError(f"the database does not answer: {words}") from error
    return f"DB connected at: {now.isoformat()}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@contextlib.contextmanager
def _server_url(root: Path, env: Mapping[str, str], variable: str) -> Iterator[str]:
    """The given URL, else that of the running stack, else that of a server for this check."""
    if env.get(variable):
        yield env[variable]
        return
    folder = state_folder(root)
    make_folder(folder)
    deadline = time.monotonic() + _START_S
    with FolderLock(folder / "run.lock") as lock:
        while not lock.acquire():
            run = live_run(folder)
            if run is not None:
                yield run.redis_url if variable == "REDIS_URL" else run.database_url
                return
            if time.monotonic() > deadline:
                raise LocalError(f"another command is starting in {folder}: try again")
            time.sleep(_POLL_S)
        server: EmbeddedServer
        if variable == "REDIS_URL":
            server = EmbeddedRedis(folder / "redis", environ=env)
        else:
            server = EmbeddedPostgres(folder / "postgres", environ=env)
        with server:
            yield server.url
