"""PostgreSQL behind an address that moves: a standby takes over, or nothing may write for a while.

The primary waits for its standby with each commit, so that what was accepted is on both.
"""

import time

from benchmarks.stack import wait_until
from chaos.acts import Act
from chaos.fault import Fault, Injection, Scale, repeatedly
from chaos.invariants import POSTGRES
from chaos.load import Load
from chaos.rig import Rig
from chaos.standby import StandbyPostgres, forget_standby, promote, tell, wait_for_standby
from orderengine.local.postgres_server import EmbeddedPostgres

WORKS_AGAIN_S = 10.0
SEEN_ORDERS = 10
"""More than are stored by one connection that may write among many that may not."""
RECOVERY_LIMIT_S = 20.0
"""Of the last order: what was submitted is looked at every 15 s."""

READ_ONLY = (
    "ALTER SYSTEM SET default_transaction_read_only = on",
    "ALTER DATABASE orderengine SET default_transaction_read_only = on",
)
"""As hosts do it: known to every session at once, or to each one from its beginning."""
WRITABLE = (
    "ALTER SYSTEM RESET default_transaction_read_only",
    "ALTER DATABASE orderengine RESET default_transaction_read_only",
)
RELOAD = "SELECT pg_reload_conf()"


def fail_over_repeatedly(rig: Rig, load: Load, scale: Scale) -> int:
    """Start with a standby, and have one again after each time that it took over."""
    standbys = [_follow(rig)]
    try:
        injection: Injection = repeatedly(_fail_over(standbys))
        return injection(rig, load, scale)
    finally:
        forget_standby(rig.servers.postgres)  # else each commit would wait for it for ever
        for each in standbys:
            each.remove()


def _follow(rig: Rig) -> StandbyPostgres:
    standby = StandbyPostgres(rig.folder / f"postgres-{time.monotonic_ns()}", rig.servers.postgres)
    standby.start()
    wait_for_standby(rig.servers.postgres)
    return standby


def _fail_over(standbys: list[StandbyPostgres]) -> Act:
    """The primary dies, or leaves in order; the address leads to the standby before it may write.

    Ahead of that the address leads to the standby by mistake. Its connections stay open when the
    address is right again, and stay read-only as long as they are open.
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
    """Nothing may write for a while; sessions of that time may stay read-only."""
    server = rig.servers.postgres
    kind = rig.rng.randrange(len(READ_ONLY))
    with rig.outage(POSTGRES):
        tell(server, READ_ONLY[kind], RELOAD)
        rig.to_postgres.cut()  # so that many are opened while it lasts
        rig.pause(1.0, 4.0)
        _allow(server, WRITABLE[kind])
    _expect_writing(rig)
    return 1


def _expect_writing(rig: Rig) -> None:
    """Orders are stored again: `/readyz` says so, and so does the number of them."""
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
