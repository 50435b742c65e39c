"""Random moves, cancels, expiries and words of the network, in whatever order."""

from collections import Counter

import pytest
from sqlalchemy import Engine, text

from tests.integration.waiting_model import RULES
from tests.integration.waiting_play import Play

STEPS = 1500


def the_transactions(database: Engine) -> Counter[tuple[str, str]]:
    """How many transactions there are, by the status of their orders and their own state."""
    with database.connect() as connection:
        found = connection.execute(
            text(
                "SELECT o.status, t.state, count(*) AS total FROM transactions t"
                " JOIN orders o ON o.id = t.order_id GROUP BY o.status, t.state"
            )
        )
        return Counter({(row.status, row.state): row.total for row in found})


@pytest.mark.parametrize("seed", range(2))
def test_whatever_comes_in_whatever_order_the_store_keeps_the_rules(
    database: Engine, seed: int
) -> None:
    play = Play(database, seed)
    for _ in range(STEPS):
        play.step()
    for model in play.models:
        play.compare(model)
    found = the_transactions(database)
    statuses = Counter(model.status for model in play.models)
    assert found["confirmed", "landed"] == statuses["confirmed"]
    assert found["submitted", "live"] == statuses["submitted"]
    assert all(
        state == "dead" for status, state in found if status not in {"confirmed", "submitted"}
    )
    assert {*RULES, "cancel", "expire", "start prepared"} <= play.done.keys(), "all was tried"
