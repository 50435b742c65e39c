"""All faults, one after the other in a seeded order, on one stack."""

import time

from chaos import acts
from chaos.fault import Fault, Scale
from chaos.load import Load
from chaos.rig import Rig

MOMENTS: tuple[acts.Act, ...] = (
    acts.kill_worker,
    acts.kill_web,
    acts.freeze_worker,
    acts.stop_all_workers(5.0),
    acts.deploy,
    acts.lose_power,
    acts.flush_redis,
    acts.restart_redis_empty,
    acts.freeze_redis(5.0),
    acts.fill_redis(5.0),
    acts.kill_redis_clients,
    acts.break_redis_link,
    acts.restart_postgres,
    acts.terminate_backend,
    acts.break_postgres_link,
    acts.swallow_commits(5),
    acts.copy_messages(100),
    acts.lose_messages,
    acts.switch_network_off(8.0),
)


def soak(rig: Rig, load: Load, scale: Scale) -> int:
    """Run rounds until enough orders were offered; each round does every act once, shuffled."""
    del scale
    ends_at = time.monotonic() + load.lasts_s
    hits = 0
    while True:
        for act in rig.rng.sample(MOMENTS, len(MOMENTS)):
            rig.pause(0.5, 4.0)
            if time.monotonic() > ends_at:
                return hits
            act(rig)
            hits += 1


FAULTS = (
    Fault(
        name="soak",
        what="30 minutes of all of the above at random",
        inject=soak,
        full=Scale(orders=9000, times=1, workers=2),
        quick=None,
        rate_per_s=5.0,
        recovery_limit_s=120.0,
        settings={
            "STUCK_AFTER_S": "3",  # shorter than the network's absence
            "SIM_VALIDITY_MS": "5000",
            "SIM_SETTLEMENT_MS": "200-3000",
            "SIM_SEND_LOSS_RATE": "0.05",
            "SIM_ANSWER_LOSS_RATE": "0.05",
            "SIM_CHAIN_ERROR_RATE": "0.05",
            "SIM_QUOTE_FAIL_RATE": "0.02",
        },
    ),
)
