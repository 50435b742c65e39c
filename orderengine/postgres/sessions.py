"""Opens sessions on a PostgreSQL that takes writes: from lists of hosts, and past poolers."""

import contextlib
import select
import time
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg2
import psycopg2.extensions

from orderengine.domain.errors import StorageCause
from orderengine.postgres.outages import cause_of

STATEMENT_TIMEOUT_S = 2.0

_IS_POOLED = """
SELECT pg_is_in_recovery() OR CAST(current_setting('transaction_read_only') AS boolean)
WHERE pg_backend_pid() <> %s"""
_END_POOLED = "SELECT pg_terminate_backend(pg_backend_pid()) WHERE pg_backend_pid() <> %s"

Parameters = Mapping[str, Any]


class Connector:
    """Opens the connections of one engine, for SQLAlchemy's event `do_connect`.

    It tries the hosts of a list one by one, starting with the last good one, because all waits of a
    single driver call share one time limit.
    """

    def __init__(self) -> None:
        self._last_good_host: str | None = None

    def __call__(
        self, _dialect: object, _record: object, _arguments: object, parameters: Parameters
    ) -> Any:
        """Open a connection; raises the driver's most telling error."""
        refusals: list[psycopg2.OperationalError] = []
        hosts = _hosts(parameters)
        hosts.sort(key=lambda each: str(each) != self._last_good_host)
        for host in hosts:
            try:
                opened = _open({**parameters, **host})
            except psycopg2.OperationalError as refusal:
                refusals.append(refusal)
            else:
                self._last_good_host = str(host)
                return opened
        raise min(refusals, key=lambda each: cause_of(each) is not StorageCause.READ_ONLY)


def end_pooled(session: Any) -> None:
    """End a server session that a pooler would hand out again, so that it opens another one.

    Such a pooler reports another process id than the server's.
    """
    with contextlib.suppress(psycopg2.Error):
        session.cursor().execute(_END_POOLED, (session.info.backend_pid,))


def wait_bounded(connection: Any) -> None:
    """Wait for libpq, but not longer than a statement may take.

    A frozen server, or one behind a link that drops packets, may still acknowledge packets or be
    silent: neither statement_timeout nor TCP_USER_TIMEOUT ends that wait. An error raised here
    makes psycopg2 close the connection, so that no late answer is read as another statement's.
    """
    deadline = time.monotonic() + STATEMENT_TIMEOUT_S
    while True:
        state = connection.poll()
        if state == psycopg2.extensions.POLL_OK:
            return
        wants_read = state == psycopg2.extensions.POLL_READ
        poller = select.poll()
        poller.register(connection.fileno(), select.POLLIN if wants_read else select.POLLOUT)
        left_ms = (deadline - time.monotonic()) * 1000
        if left_ms <= 0 or not poller.poll(left_ms):
            raise psycopg2.OperationalError("no answer from PostgreSQL in time")


def _hosts(parameters: Parameters) -> list[dict[str, str]]:
    """The hosts of a list, each with its port, paired as libpq does it."""
    hosts = str(parameters.get("host", "")).split(",")
    if len(hosts) == 1:
        return [{}]
    ports = str(parameters.get("port", "")).split(",")
    paired: Sequence[str] = ports if len(ports) == len(hosts) else ports[:1] * len(hosts)
    return [
        {"host": host, **({"port": port} if port else {})}
        for host, port in zip(hosts, paired, strict=True)
    ]


def _open(parameters: Parameters) -> Any:
    try:
        return psycopg2.connect(**parameters)
    except psycopg2.OperationalError as refusal:
        if cause_of(refusal) is not StorageCause.READ_ONLY:
            raise
        opened = _open_pooled(parameters)
        if opened is None:
            raise
        return opened


def _open_pooled(parameters: Parameters) -> Any:
    """A connection through a pooler that wrongly reported a read-only server, or None.

    A pooler repeats the first report of a server to new clients for as long as it runs.
    """
    session = psycopg2.connect(**{**parameters, "target_session_attrs": "any"})
    try:
        session.autocommit = True
        cursor = session.cursor()
        cursor.execute(_IS_POOLED, (session.info.backend_pid,))
        found = cursor.fetchone()
    except psycopg2.Error:
        session.close()
        return None
    if found == (False,):
        return session
    if found is not None:
        end_pooled(session)
    session.close()
    return None
