"""The settlement network: loses transactions or answers; lands late, or not at all."""

from chaos import acts
from chaos.fault import Fault, Scale, nothing, repeatedly

SHORT_LIVED = {"SIM_VALIDITY_MS": "5000"}
# Three expiring attempts take long, with polls every 15 s in the end.
PATIENCE_S = 120.0

FAULTS = (
    Fault(
        name="network_sends_lost",
        what="two in five transactions lost on their way",
        inject=nothing,
        full=Scale(orders=600, times=1),
        quick=None,
        recovery_limit_s=PATIENCE_S,
        settings={**SHORT_LIVED, "SIM_SEND_LOSS_RATE": "0.4"},
    ),
    Fault(
        name="network_answers_lost",
        what="two in five transactions arrive without an answer",
        inject=nothing,
        full=Scale(orders=600, times=1),
        quick=None,
        recovery_limit_s=PATIENCE_S,
        settings={**SHORT_LIVED, "SIM_ANSWER_LOSS_RATE": "0.4"},
    ),
    Fault(
        name="network_late",
        what="transactions land after 2 to 8 s or expire, valid for 5 s",
        inject=nothing,
        full=Scale(orders=600, times=1),
        quick=None,
        recovery_limit_s=PATIENCE_S,
        settings={**SHORT_LIVED, "SIM_SETTLEMENT_MS": "2000-8000"},
    ),
    Fault(
        name="network_unreliable",
        what="sends and answers lost, reverts, expiry, and workers killed",
        inject=repeatedly(acts.kill_worker),
        full=Scale(orders=600, times=10, workers=2),
        quick=Scale(orders=60, times=2, workers=2),
        recovery_limit_s=PATIENCE_S,
        settings={
            **SHORT_LIVED,
            "SIM_SETTLEMENT_MS": "200-6000",
            "SIM_SEND_LOSS_RATE": "0.2",
            "SIM_ANSWER_LOSS_RATE": "0.2",
            "SIM_CHAIN_ERROR_RATE": "0.1",
            "SIM_QUOTE_FAIL_RATE": "0.1",
        },
    ),
    Fault(
        name="network_dead",
        what="the network answers nothing for 15 s",
        inject=repeatedly(acts.switch_network_off(15.0)),
        full=Scale(orders=600, times=2),
        quick=Scale(orders=60, times=1),
        settings={"SIM_SETTLEMENT_MS": "1000-2000", "STUCK_AFTER_S": "5"},
    ),
)
