"""PostgreSQL behind a moving address: a standby takes over, or writes are forbidden for a while.

At each commit the primary waits for its standby, so that accepted orders are on both.
"""

import time

from chaos.acts import Act
from chaos.fault import Fault, Injection, Scale, repeatedly
from chaos.invariants import POSTGRES
from chaos.load import Load
from chaos.rig import Rig
from chaos.standby import StandbyPostgres, forget_standby, promote, tell, wait_for_standby
from harness.waiting import wait_until
from orderengine.local.postgres_server import EmbeddedPostgres

WORKS_AGAIN_S = 10.0
SEEN_ORDERS = 10
"""More than a single writable connection among many read-only ones can store."""
RECOVERY_LIMIT_S = 20.0
"""Time for the last order: submitted orders are polled every 15 s."""

READ_ONLY = (
    "ALTER SYSTEM SET default_transaction_read_only = on",
    "ALTER DATABASE orderengine SET default_transaction_read_only = on",
)
"""Two ways of hosts: every session learns it at once, or only at its beginning."""
WRITABLE = (
    "ALTER SYSTEM RESET default_transaction_read_only",
    "ALTER DATABASE orderengine RESET default_transaction_read_only",
)
RELOAD = "SELECT pg_reload_conf()"


def fail_over_repeatedly(rig: Rig, load: Load, scale: Scale) -> int:
    """Start with a standby, and make a new one after each fail-over."""
    standbys = [_follow(rig)]
    try:
        injection: Injection = repeatedly(_fail_over(standbys))
        return injection(rig, load, scale)
    finally:
        forget_standby(rig.servers.postgres)  # otherwise each commit would wait for it forever
        for each in standbys:
            each.remove()


def _follow(rig: Rig) -> StandbyPostgres:
    standby = StandbyPostgres(rig.folder / f"postgres-{time.monotonic_ns()}", rig.servers.postgres)
    standby.start()
    wait_for_standby(rig.servers.postgres)
    return standby


def _fail_over(standbys: list[StandbyPostgres]) -> Act:
    """End the primary, by SIGKILL or in order; the address moves before the standby may write.

    Before that, the address leads to the standby by mistake. Connections made then stay open, and
    read-only, when the address is right again.
    """

    def act(rig: Rig) -> int:
        standby = standbys.pop()
        old = rig.servers.postgres
        with rig.outage(POSTGRES):
            rig.move_postgres(standby)
            rig.to_postgres.cut()
            rig.pause(1.0, 2.0)
            rig.move_postgres(old)
        _expect_writing(rig)
        with rig.outage(POSTGRES):
            rig.rng.choice((rig.kill_postgres, old.stop))()
            rig.move_postgres(standby)
            rig.pause(0.5, 2.0)
            promote(standby)
        _expect_writing(rig)
        old.remove()
        standbys.append(_follow(rig))
        return 1

    return act


def forbid_writing(rig: Rig) -> int:
    """Forbid writes for a while; sessions opened meanwhile may stay read-only."""
    server = rig.servers.postgres
    kind = rig.rng.randrange(len(READ_ONLY))
    with rig.outage(POSTGRES):
        tell(server, READ_ONLY[kind], RELOAD)
        rig.to_postgres.cut()  # so that many sessions are opened meanwhile
        rig.pause(1.0, 4.0)
        _allow(server, WRITABLE[kind])
    _expect_writing(rig)
    return 1


def _expect_writing(rig: Rig) -> None:
    """Check that orders are stored again, by `/readyz` and by their number."""
    before = _orders(rig)

    def is_written() -> bool:
        return rig.answers("/readyz") and _orders(rig) >= before + SEEN_ORDERS

    try:
        wait_until(is_written, WORKS_AGAIN_S, "")
    except TimeoutError:
        stored = _orders(rig) - before
        rig.complaints.append(f"{stored} orders were stored {WORKS_AGAIN_S:.0f} s after healing")


def _orders(rig: Rig) -> int:
    return int(str(rig.scalar("SELECT count(*) FROM orders")))


def _allow(server: EmbeddedPostgres, statement: str) -> None:
    tell(server, "SET default_transaction_read_only = off", statement, RELOAD)


FAULTS = (
    Fault(
        name="postgres_failover",
        what="the address of PostgreSQL leads to its standby by mistake; then that takes over",
        inject=fail_over_repeatedly,
        full=Scale(orders=1000, times=10),
        quick=Scale(orders=80, times=1),
        recovery_limit_s=RECOVERY_LIMIT_S,
    ),
    Fault(
        name="postgres_read_only",
        what="PostgreSQL read-only for 1 to 4 s",
        inject=repeatedly(forbid_writing),
        full=Scale(orders=1000, times=10),
        quick=Scale(orders=80, times=2),
        recovery_limit_s=RECOVERY_LIMIT_S,
    ),
)
