"""The batches of `submit --file`: sent again unchanged, and told truly when they are cut short."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from orderengine.cli.limits import Answer
from orderengine.cli.service import Service
from tests.cli_desk import call, open_desk
from tests.cli_files import Told, file_of
from tests.web import Web

ONE_BAD = f"{file_of(3)}AAPL,hold,1\n"


def full(room_after: int) -> Told:
    """A service whose queue is full until it has refused a batch so many times."""
    web = Web(max_queued=50)
    web.watched.waiting = {"intake": 50 if room_after else 0}
    told = Told(web)

    def work() -> None:
        if len(told.pauses) >= room_after:
            web.watched.waiting = {"intake": 0}

    told.at_pause = work
    return told


def test_a_batch_that_keeps_its_key_is_sent_again_with_its_refused_orders() -> None:
    told = full(room_after=2)
    sender = told.send(ONE_BAD)
    assert (told.keys, told.sizes) == (["k.0.0"] * 3, [4] * 3)
    assert dict(sender.counts) == {"accepted": 3, "refused": 1}
    assert sorted(told.reports) == [2, 3, 4, 5]

    again = Told(told.web)
    repeated = again.send(ONE_BAD)
    assert again.keys == ["k.0.0"]
    assert dict(repeated.counts) == {"accepted": 3, "refused": 1}
    assert len(told.web.orders) == 3


def test_a_refused_order_makes_no_full_service_be_asked_for_ever() -> None:
    told = full(room_after=1000)
    sender = told.send(ONE_BAD)
    assert dict(sender.counts) == {"refused": 4}
    assert 30 <= sum(told.pauses) <= 33


def test_an_order_is_told_as_it_ended_if_it_was_refused_before() -> None:
    told = full(room_after=1)
    answers = iter(["hold", "buy"])
    execute = told.execute_batch

    def change(orders: Sequence[str], key: str) -> Answer:
        side = next(answers)
        return execute([order.replace("hold", side) for order in orders], key)

    told.execute_batch = change  # type: ignore[method-assign]
    assert dict(told.send(ONE_BAD).counts) == {"accepted": 4}
    assert told.results[5]["status"] == 202


def test_ctrl_c_during_a_request_leaves_its_orders_in_doubt(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(file_of(250), "utf-8")
    send = Service.execute_batch

    def stopped(service: Service, orders: Sequence[str], key: str) -> Answer:
        answer = send(service, orders, key)
        if ".1." in key:
            raise KeyboardInterrupt
        return answer

    monkeypatch.setattr(Service, "execute_batch", stopped)
    with open_desk() as desk:
        ran = call("submit", "--file", str(path), "--idempotency-key", "mine", "--url", desk.url)
    assert (ran.exit_code, ran.stdout) == (130, "")
    assert "stopped, 100 accepted, 100 in doubt, 50 not sent: repeat" in ran.stderr


def test_ctrl_c_while_a_busy_service_is_waited_for_leaves_nothing_in_doubt() -> None:
    told = full(room_after=1000)

    def stop() -> None:
        raise KeyboardInterrupt

    told.at_pause = stop
    with pytest.raises(KeyboardInterrupt):
        told.send(file_of(3))
    assert told.sender.in_doubt == 0
