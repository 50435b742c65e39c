"""Claims of recovery: which orders are due, and who gets them."""

from orderengine.domain.moves import (
    RoutingCause,
    StartRouting,
    Submit,
)
from tests.builders import (
    A_FAIL,
    TRANSACTION,
    a_build,
    a_failed_attempt,
)
from tests.contract.conftest import Store

START = StartRouting(RoutingCause.ORDER)


def test_due_orders_are_claimed_once_and_again_later(store: Store) -> None:
    order, done = store.walk(START), store.walk(A_FAIL)
    assert store.orders.claim_due(10) == []
    store.pass_time(5.1)
    claimed = store.orders.claim_due(10)
    assert claimed == [order]
    assert done not in claimed
    assert store.orders.claim_due(10) == []
    store.pass_time(5.1)
    assert [o.order_id for o in store.orders.claim_due(10)] == [order.order_id]
    store.pass_time(5.1)
    assert store.orders.claim_due(10) == []
    store.pass_time(5.0)
    assert [o.order_id for o in store.orders.claim_due(10)] == [order.order_id]


def test_a_backoff_and_a_submission_put_recovery_off(store: Store) -> None:
    waiting = store.walk(START, a_failed_attempt(backoff_s=4.0))
    submitted = store.walk(START, a_build(store.now()), Submit(TRANSACTION))
    store.pass_time(8.5)
    assert store.orders.claim_due(10) == []
    store.pass_time(1.0)
    assert [order.order_id for order in store.orders.claim_due(10)] == [waiting.order_id]
    store.pass_time(6.0)
    claimed = store.orders.claim_due(10)
    assert submitted.order_id in {order.order_id for order in claimed}
    assert next(o for o in claimed if o == submitted).transaction == TRANSACTION


def test_the_claim_takes_the_longest_overdue_first(store: Store) -> None:
    orders = []
    for _ in range(3):
        orders.append(store.walk(START).order_id)
        store.pass_time(1)
    store.pass_time(60)
    claimed = [store.orders.claim_due(1)[0].order_id for _ in range(3)]
    assert claimed == orders
