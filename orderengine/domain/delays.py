"""When recovery looks at an order."""

from dataclasses import dataclass
from math import inf

from orderengine.domain.moves import AnyMove, FailAttempt, RequestCancel, Submit, Trigger
from orderengine.domain.order import TARGETS, OrderStatus


@dataclass(frozen=True, slots=True)
class RecoveryDelays:
    """The delays before recovery looks at an order, in seconds.

    `stage_s` is the longest that one stage may take. A new order may wait twice as long in a queue;
    recovery polls the network about a submitted order after three times as long.
    """

    stage_s: float = 5.0

    @property
    def intake_s(self) -> float:
        """The delay from acceptance until recovery looks at the order."""
        return 2 * self.stage_s

    @property
    def submitted_s(self) -> float:
        """The delay from submission until recovery's first poll, and between its polls."""
        return 3 * self.stage_s

    def after(self, move: AnyMove) -> float | None:
        """The delay after this move; None for a terminal order, infinite for an idle one."""
        target = TARGETS[move.kind]
        if target.is_terminal:
            return None
        if target.is_idle:
            return inf
        match move:
            case Trigger():
                return self.intake_s
            case Submit() | RequestCancel():
                return self.submitted_s
            case FailAttempt(backoff_s=backoff_s):
                return backoff_s + self.stage_s
            case _:
                return self.stage_s

    def after_claim(self, status: OrderStatus, claims_before: int) -> float:
        """The delay after recovery has claimed an order that it claimed `claims_before` times.

        Claims count from the order's last move. The statement `CLAIM_DUE` in `storage/sql.py`
        computes the same; the contract tests of the store hold it to these figures.
        """
        if status is OrderStatus.SUBMITTED:
            return self.submitted_s
        return min(self.submitted_s, self.stage_s * (1 << min(claims_before, 8)))
