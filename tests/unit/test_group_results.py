"""The tasks for groups: each order goes its own way, and its result is its own."""

from collections.abc import Sequence
from typing import Any

import pytest
from celery.exceptions import Ignore, Retry
from structlog.testing import capture_logs

from orderengine.dispatch.names import root_id_for
from orderengine.domain.errors import StorageUnavailable
from orderengine.domain.instruments import Instrument
from orderengine.domain.side import Side
from orderengine.execution.ports import Quoted
from tests.fakes import unavailable
from tests.tasks import Worker, accept, ids, worker, world
from tests.world import World

__all__ = ["worker", "world"]


def fail_for(world: World, monkeypatch: pytest.MonkeyPatch, failing: Side) -> None:
    """Make the venues answer nothing to orders of one side."""
    collect_all = world.board.collect_all

    def collect(wanted: Sequence[tuple[Instrument, Side]]) -> list[Quoted]:
        nothing: Quoted = ([], {"raydium": unavailable()})
        answers = zip(wanted, collect_all(wanted), strict=True)
        return [nothing if side is failing else quoted for (_, side), quoted in answers]

    monkeypatch.setattr(world.board, "collect_all", collect)


def test_orders_without_quotes_get_messages_of_their_own_and_the_others_go_on(
    world: World, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.request_id = "req-7"
    orders = [world.accept(side) for side in (Side.BUY, Side.SELL, Side.BUY, Side.SELL)]
    fail_for(world, monkeypatch, Side.SELL)
    handed = worker.route(orders[0])
    assert sorted(ids(handed)) == sorted([orders[0].order_id, orders[2].order_id])
    again = {args: options for name, args, options in worker.sent if name == "route_order"}
    assert again.keys() == {(str(orders[n].order_id), 1, "order") for n in (1, 3)}
    assert {options["root_id"] for options in again.values()} == {root_id_for("req-7")}
    assert {options["retries"] for options in again.values()} == {1}
    assert len({options["task_id"] for options in again.values()} | {"1"}) == 3
    monkeypatch.undo()
    for name, args, options in list(worker.sent):
        assert worker.run(name, *args, retries=options["retries"])["version"] == 2


def test_a_single_order_without_quotes_is_tried_again_by_celery(
    world: World, worker: Worker
) -> None:
    world.board.answers = {"raydium": unavailable()}
    order = world.accept()
    with pytest.raises(Retry):
        worker.route(order)
    assert [(name, args) for name, args, _ in worker.sent] == [
        ("route_order", (str(order.order_id), 1, "order"))
    ]


def test_an_order_that_another_ones_message_took_is_tried_again_as_itself(
    world: World, worker: Worker
) -> None:
    gone = world.accept()
    world.route(gone.order_id)
    world.board.answers = {"raydium": unavailable()}
    order = world.accept()
    with pytest.raises(Ignore):
        worker.route(gone)
    assert [args for _, args, _ in worker.sent] == [(str(order.order_id), 1, "order")]


def test_a_group_that_cannot_be_signed_now_is_tried_again_as_a_whole(
    world: World, worker: Worker
) -> None:
    orders = accept(world, 3)
    built = worker.run("build_order", worker.route(orders[0]))
    world.network.go_dark()
    with pytest.raises(Retry):
        worker.run("submit_order", built)
    ((name, args, _),) = worker.sent
    assert (name, args) == ("submit_order", (built,))
    with pytest.raises(Ignore):
        worker.run("submit_order", built, retries=1)
    assert {world.order(order.order_id).attempt for order in orders} == {2}


def test_those_in_flight_are_polled_again_together(world: World, worker: Worker) -> None:
    handed = worker.submitted(accept(world, 4)[0])
    world.network.land(handed[1]["signature"])
    world.network.revert(handed[2]["signature"])
    with pytest.raises(Retry):
        worker.run("confirm_order", handed)
    ((name, args, options),) = worker.sent
    assert (name, args) == ("confirm_order", ([handed[0], handed[3]],))
    assert options["countdown"] == 0.3
    worker.sent.clear()
    world.network.land(handed[0]["signature"])
    with pytest.raises(Retry):
        worker.run("confirm_order", *args, retries=1)
    assert worker.sent[0][1] == (handed[3],)


def test_a_dark_network_is_polled_again_for_all(world: World, worker: Worker) -> None:
    handed = worker.submitted(accept(world, 3)[0])
    world.network.go_dark()
    with pytest.raises(Retry):
        worker.run("confirm_order", handed)
    assert worker.sent[0][1] == (handed,)


def test_a_poisonous_order_fails_alone_and_its_error_is_told(
    world: World, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = accept(world, 3)
    handed = worker.route(orders[0])
    move_all = world.orders.move_all

    def raising(planned: Any) -> object:
        if any(each.order_id == orders[1].order_id for each in planned):
            raise RuntimeError("a row that breaks its statement")
        return move_all(planned)

    monkeypatch.setattr(world.orders, "move_all", raising)
    with capture_logs() as lines:
        built = worker.run("build_order", handed)
    assert sorted(ids(built)) == sorted([orders[0].order_id, orders[2].order_id])
    failed = [line["exc_info"] for line in lines if line["event"] == "stage_failed"]
    assert [str(error) for error in failed] == ["a row that breaks its statement"]
    (alone,) = [each for each in handed if each["orderId"] == str(orders[1].order_id)]
    with pytest.raises(RuntimeError):
        worker.run("build_order", alone)


def test_a_claim_that_breaks_falls_back_to_the_messages_order(
    world: World, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a row that breaks its statement")

    monkeypatch.setattr(world.orders, "claim_pending", broken)
    orders = accept(world, 2)
    assert worker.route(orders[1])["orderId"] == str(orders[1].order_id)


def test_a_lost_database_is_told_for_each_order(world: World, worker: Worker) -> None:
    orders = accept(world, 2)
    handed = worker.route(orders[0])
    world.orders.down = True
    with capture_logs() as lines, pytest.raises(StorageUnavailable):
        worker.run("build_order", handed)
    assert [line["event"] for line in lines] == ["stage_interrupted"] * 2
