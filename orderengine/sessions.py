"""Opening sessions on PostgreSQL that take writes: in lists of hosts, and past poolers."""

import contextlib
import select
import time
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg2
import psycopg2.extensions

from orderengine.domain.errors import StorageCause
from orderengine.outages import cause_of

STATEMENT_TIMEOUT_S = 2.0

_IS_POOLED = """
SELECT pg_is_in_recovery() OR CAST(current_setting('transaction_read_only') AS boolean)
WHERE pg_backend_pid() <> %s"""
_END_POOLED = "SELECT pg_terminate_backend(pg_backend_pid()) WHERE pg_backend_pid() <> %s"

Parameters = Mapping[str, Any]


class Connector:
    """Opens the connections of one engine, for SQLAlchemy's event `do_connect`.

    The hosts of a list are asked one by one, the last one that was right first, since all waits of
    one call of the driver share one limit.
    """

    def __init__(self) -> None:
        self._right: str | None = None

    def __call__(
        self, _dialect: object, _record: object, _arguments: object, wanted: Parameters
    ) -> Any:
        """A connection; raises the driver's error that tells most."""
        refusals: list[psycopg2.OperationalError] = []
        hosts = _hosts(wanted)
        hosts.sort(key=lambda each: str(each) != self._right)
        for host in hosts:
            try:
                opened = _open({**wanted, **host})
            except psycopg2.OperationalError as refusal:
                refusals.append(refusal)
            else:
                self._right = str(host)
                return opened
        raise min(refusals, key=lambda each: cause_of(each) is not StorageCause.READ_ONLY)


def end_pooled(session: Any) -> None:
    """Have a pooler, which would hand this session of the server out again, open another one.

    It tells its clients another process id than the server's.
    """
    with contextlib.suppress(psycopg2.Error):
        session.cursor().execute(_END_POOLED, (session.info.backend_pid,))


def wait_bounded(connection: Any) -> None:
    """Wait for libpq, but not longer than a statement may take.

    A server that is frozen, or behind a link that drops packets, still acknowledges or says
    nothing at all: neither statement_timeout nor TCP_USER_TIMEOUT ends that wait. An error from
    here makes psycopg2 close the connection, so that no late answer is read as another's.
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


def _hosts(wanted: Parameters) -> list[dict[str, str]]:
    """Each host of a list with its port, as libpq pairs them."""
    hosts = str(wanted.get("host", "")).split(",")
    if len(hosts) == 1:
        return [{}]
    ports = str(wanted.get("port", "")).split(",")
    paired: Sequence[str] = ports if len(ports) == len(hosts) else ports[:1] * len(hosts)
    return [
        {"host": host, **({"port": port} if port else {})}
        for host, port in zip(hosts, paired, strict=True)
    ]


def _open(wanted: Parameters) -> Any:
    try:
        return psycopg2.connect(**wanted)
    except psycopg2.OperationalError as refusal:
        if cause_of(refusal) is not StorageCause.READ_ONLY:
            raise
        opened = _open_pooled(wanted)
        if opened is None:
            raise
        return opened


def _open_pooled(wanted: Parameters) -> Any:
    """A connection through a pooler that wrongly called its server read-only, or None.

    A pooler repeats to new clients for as long as it runs what some server told it first.
    """
    session = psycopg2.connect(**{**wanted, "target_session_attrs": "any"})
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
