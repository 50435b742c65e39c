"""The broker's messages: repeated and late, or lost."""

from chaos import acts
from chaos.fault import Fault, Scale, once, repeatedly

FAULTS = (
    Fault(
        name="messages_copied",
        what="each message five more times, up to 8 s late; one transaction in three reverts",
        inject=once(acts.copy_messages),
        full=Scale(orders=300, times=5000),
        quick=Scale(orders=60, times=600),
        settings={"SIM_CHAIN_ERROR_RATE": "0.33"},
    ),
    Fault(
        name="messages_lost",
        what="half of the messages that wait taken away",
        inject=repeatedly(acts.lose_messages),
        full=Scale(orders=600, times=30),
        quick=Scale(orders=60, times=4),
    ),
)
