"""Redis: emptied, restarted, frozen, full, unreachable."""

from chaos import acts
from chaos.fault import Fault, Scale, once, repeatedly

FAULTS = (
    Fault(
        name="redis_flushes",
        what="FLUSHALL",
        inject=repeatedly(acts.flush_redis),
        full=Scale(orders=2000, times=20),
        quick=None,  # many_reconcilers does it
    ),
    Fault(
        name="redis_restarts",
        what="SIGKILL of Redis, back empty",
        inject=repeatedly(acts.restart_redis_empty),
        full=Scale(orders=2000, times=30),
        quick=Scale(orders=80, times=3),
    ),
    Fault(
        name="redis_frozen",
        what="Redis frozen for 60 s (quick: 8 s)",
        inject=once(lambda seconds: acts.freeze_redis(float(seconds))),
        full=Scale(orders=900, times=60),
        quick=Scale(orders=100, times=8),
    ),
    Fault(
        name="redis_out_of_memory",
        what="maxmemory of one byte for 8 s",
        inject=repeatedly(acts.fill_redis(8.0)),
        full=Scale(orders=600, times=3),
        quick=None,  # a kind of redis_refuses_writes
    ),
    Fault(
        name="redis_clients_killed",
        what="CLIENT KILL of all connections, every 2 s",
        inject=repeatedly(acts.kill_redis_clients),
        full=Scale(orders=600, times=30),
        quick=None,  # some kinds of redis_refuses_writes begin with it
    ),
    Fault(
        name="redis_link",
        what="the connections to Redis reset, or dead for seconds",
        inject=repeatedly(acts.break_redis_link),
        full=Scale(orders=900, times=15),
        quick=None,
    ),
)
