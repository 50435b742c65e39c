"""A standby of a local PostgreSQL: copied, kept up to date, promoted in its place."""

import shutil
from pathlib import Path

from sqlalchemy import Connection, NullPool, TextClause, create_engine, text

from harness.waiting import wait_until
from orderengine.config.settings import sqlalchemy_url
from orderengine.local.errors import ServerError
from orderengine.local.files import write_private
from orderengine.local.ports import LOOPBACK
from orderengine.local.postgres_server import USER, EmbeddedPostgres
from orderengine.local.privileges import run_as

CAUGHT_UP_LIMIT_S = 60.0

_STREAMS = text("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'")
_IS_WAITED_FOR = text("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")


class StandbyPostgres(EmbeddedPostgres):
    """A copy of `primary` which follows it; keeps its role when it starts again."""

    def __init__(self, data_dir: Path, primary: EmbeddedPostgres) -> None:
        super().__init__(data_dir)
        self._primary = primary

    def _create_cluster(self) -> None:
        # Users and passwords are copied, too.
        write_private(self.data_dir / "password", self._primary.password)
        draft = self._home / "cluster.new"
        shutil.rmtree(draft, ignore_errors=True)
        command = [str(self._bin_dir / "pg_basebackup"), "-D", str(draft), "-U", USER]
        command += ["-h", LOOPBACK, "-p", str(self._primary.port), "--checkpoint=fast"]
        command += ["--wal-method=stream", "--write-recovery-conf", "--no-password", "--no-sync"]
        if self._run_as:
            self._home.chmod(0o711)
            draft.mkdir(mode=0o700)
            shutil.chown(draft, self._run_as.uid, self._run_as.gid)
        environ = {**self.environment(), "PGPASSWORD": self._primary.password}
        made = run_as(self._run_as, command, environ)
        if made.returncode != 0:
            raise ServerError(f"the standby could not be copied:\n{made.stdout.strip()}")
        draft.replace(self._cluster)


def wait_for_standby(primary: EmbeddedPostgres) -> None:
    """Wait until the standby is up to date; from then on each commit waits for it."""
    _wait_for_one(primary, _STREAMS)
    tell(primary, "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
    _wait_for_one(primary, _IS_WAITED_FOR)


def _wait_for_one(primary: EmbeddedPostgres, standbys: TextClause) -> None:
    def is_there() -> bool:
        with connected(primary) as connection:
            return bool(connection.execute(standbys).scalar_one())

    wait_until(is_there, CAUGHT_UP_LIMIT_S, "the standby does not keep up")


def forget_standby(primary: EmbeddedPostgres) -> None:
    """Let commits wait for no standby."""
    tell(primary, "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")


def promote(standby: EmbeddedPostgres) -> None:
    """Make a standby the primary; its commits wait for no other server."""
    tell(standby, "SELECT pg_promote(true, 60)")
    forget_standby(standby)


def tell(server: EmbeddedPostgres, *statements: str) -> None:
    """Run statements as the owner, one by one, even while the server is read-only."""
    with connected(server) as connection:
        for statement in statements:
            connection.execute(text(statement))


def connected(server: EmbeddedPostgres) -> Connection:
    """A connection that bypasses every proxy, to be closed by `with`."""
    engine = create_engine(
        sqlalchemy_url(server.url), poolclass=NullPool, isolation_level="AUTOCOMMIT"
    )
    return engine.connect()
