"""`submit --file`: the orders of a file are placed once each, and refused ones are named."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from orderengine.cli.batches import batches_of
from orderengine.cli.common import Surroundings
from orderengine.cli.main import main
from orderengine.cli.order_files import Line, UnreadableFile, read_orders
from orderengine.cli.placing import OutcomeUnknown
from orderengine.cli.service import CannotGoOn
from orderengine.execution.intake.limits import Limits
from tests.cli_desk import Desk, call, open_desk
from tests.cli_files import Told, file_of
from tests.web import Web

HEADER = "symbol,side,quantity,slippageBps,clientOrderId"


@pytest.fixture
def desk() -> Iterator[Desk]:
    with open_desk() as desk:
        yield desk


def orders_of(text: str) -> list[Any]:
    return [json.loads(line.text) for line in read_orders(text)]


def test_a_row_is_an_order_and_an_empty_cell_leaves_its_field_out() -> None:
    text = f"{HEADER}\nAAPL,buy,0.10,,\n\n SOL , sell ,1e3,x5,mine\nBTC,buy,1,50\n,,,,\n"
    lines = read_orders(f"\ufeff{text}")
    assert [line.number for line in lines] == [2, 4, 5]
    assert [json.loads(line.text) for line in lines] == [
        {"symbol": "AAPL", "side": "buy", "quantity": "0.10"},
        {
            "symbol": "SOL",
            "side": "sell",
            "quantity": "1e3",
            "slippageBps": "x5",
            "clientOrderId": "mine",
        },
        {"symbol": "BTC", "side": "buy", "quantity": "1", "slippageBps": 50},
    ]


def test_a_row_of_an_order_that_waits_has_its_terms() -> None:
    head = "symbol,side,quantity,type,limitPrice,trigger,minLiquidity,timeInForce,expiresAt\n"
    rows = "AAPL,buy,1,limit,220,,,GTC,\nNEW,buy,5,sniper,,liquidityAdded,5000,,2027-01-31T12:00Z\n"
    limit, sniper = orders_of(head + rows)
    assert limit == {
        "symbol": "AAPL",
        "side": "buy",
        "quantity": "1",
        "type": "limit",
        "limitPrice": "220",
        "timeInForce": "GTC",
    }
    assert sniper == {
        "symbol": "NEW",
        "side": "buy",
        "quantity": "5",
        "type": "sniper",
        "trigger": {"on": "liquidityAdded", "minLiquidity": "5000"},
        "expiresAt": "2027-01-31T12:00Z",
    }


def test_a_line_of_json_is_sent_as_it_is() -> None:
    text = '\n{"quantity": 0.1000000000000000000000000001}\r\n  {"maxLegs":2}\n'
    lines = read_orders(text)
    assert [(line.number, line.text) for line in lines] == [
        (2, '{"quantity": 0.1000000000000000000000000001}'),
        (3, '{"maxLegs":2}'),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no orders"),
        ("\n\n", "no orders"),
        (f"{HEADER}\n", "no orders"),
        ("AAPL,buy,10\n", "line 1: 'AAPL' is not a field of an order; the fields are: symbol"),
        ("symbol,side,side\n", "line 1: side is named twice"),
        (f'{HEADER}\nAAPL,"buy\n', "line 2: "),
    ],
)
def test_a_file_without_orders_is_refused_whole(text: str, told: str) -> None:
    with pytest.raises(UnreadableFile, match=told):
        read_orders(text)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"a":1,"a":2}', "a is given twice"),
        ('{"a":', "it is not JSON at column 6"),
        ('{"a":NaN}', "NaN is not a number in JSON"),
        ("[]", "it is not a JSON object"),
        ("7", "it is not a JSON object"),
        ('{"a":"' + "x" * 8192 + '"}', "an order must not be longer than 8192 bytes"),
        ("[" * 100_000, "it must not nest deeper than 8 levels"),
        ('{"a":' * 9 + "1" + "}" * 9, "it must not nest deeper than 8 levels"),
        ('{"a":' + "1" * 65 + "}", "its numbers must not have more than 64 characters"),
        ('{"a":[-1.' + "1" * 62 + "]}", "its numbers must not have more than 64 characters"),
        (r'{"a":{"b":["\u0000"]}}', "its texts must not contain NUL or a lone surrogate"),
        (r'{"\ud800":1}', "its texts must not contain NUL or a lone surrogate"),
    ],
)
def test_a_line_that_is_no_order_is_named_and_the_others_stay(line: str, told: str) -> None:
    first, bad, last = read_orders(f"{{}}\n{line}\n{{}}")
    assert (first.fault, bad.fault, last.fault) == ("", told, "")
    assert bad.number == 2


def test_what_the_service_reads_is_no_fault() -> None:
    deep = '{"a":' * 8 + "1" * 64 + "}" * 8
    lines = read_orders(f'{deep}\n{{"a":"\\ud83d\\ude00[[[[[[[[["}}')
    assert [line.fault for line in lines] == ["", ""]


def test_a_row_with_nul_is_named() -> None:
    (line,) = read_orders("symbol,side\nA\0L,buy\n")
    assert line.fault == "its texts must not contain NUL or a lone surrogate"


def test_a_row_with_too_many_cells_is_named() -> None:
    (line,) = read_orders("symbol,side\nAAPL,buy,10\n")
    assert line.fault == "it has 3 cells, but the header names 2"


def test_batches_have_at_most_a_hundred_orders_and_so_many_bytes() -> None:
    short = [Line(number, "{}") for number in range(250)]
    assert [len(batch) for batch in batches_of(short)] == [100, 100, 50]
    long = [Line(number, "x" * 8000) for number in range(10)]
    assert [len(batch) for batch in batches_of(long)] == [7, 3]
    assert list(batches_of([])) == []


def test_every_line_gets_its_result() -> None:
    told = Told(Web())
    sender = told.send(f"{HEADER}\nAAPL,buy,10,,\nAAPL,hold,10,,\nNO,buy,1,,,,,\nSOL,sell,1,5,a\n")
    found = {number: result["status"] for number, result in told.results.items()}
    assert found == {2: 202, 3: 400, 4: 400, 5: 202}
    assert told.results[3]["problem"]["errors"][0]["field"] == "side"
    assert dict(sender.counts) == {"refused": 2, "accepted": 2}
    assert told.keys == ["k.0.0"]


def test_a_lost_answer_places_nothing_twice() -> None:
    told = Told(Web(), lost=[0, 2])
    sender = told.send(file_of(250))
    assert told.keys == ["k.0.0", "k.0.0", "k.1.0", "k.1.0", "k.2.0"]
    assert sender.counts["accepted"] == len(told.web.orders) == 250


def test_what_a_busy_service_refuses_is_sent_again_when_it_says() -> None:
    told = Told(Web(asks_for_keys=True, limits=Limits(rate_per_key=60)))
    told.headers = told.web.key()
    sender = told.send(file_of(150))
    assert dict(sender.counts) == {"accepted": 150}
    assert len(told.web.orders) == 150
    assert told.keys[:2] == ["k.0.0", "k.0.1"]
    assert set(told.pauses) == {1.0}


def test_a_batch_of_which_nothing_was_accepted_keeps_its_key() -> None:
    web = Web(max_queued=50)
    web.watched.waiting = {"intake": 50}
    told = Told(web)

    def work() -> None:
        web.watched.waiting = {"intake": 20 if len(told.pauses) > 2 else 50}

    told.at_pause = work
    sender = told.send(file_of(60))
    assert dict(sender.counts) == {"accepted": 60}
    assert told.keys == ["k.0.0"] * 4 + ["k.0.1"]
    assert told.sizes == [60] * 4 + [30]


def test_a_file_that_is_sent_again_with_its_key_orders_nothing_twice() -> None:
    web = Web(max_queued=70)
    web.watched.waiting = {"intake": 0}
    first, again = Told(web, lost=range(2, 100)), Told(web)
    for told in (first, again):
        told.at_pause = lambda: web.watched.waiting.update({"intake": 0})  # type: ignore[union-attr]
    with pytest.raises(OutcomeUnknown, match=r"lines 102 to 161 may .* --idempotency-key k"):
        first.send(file_of(160))
    sender = again.send(file_of(160))
    assert sender.counts["accepted"] == len(web.orders) == 160


def test_a_service_that_stays_full_is_given_up_after_a_while() -> None:
    web = Web(max_queued=10)
    web.watched.waiting = {"intake": 10}
    told = Told(web)
    sender = told.send(file_of(3))
    assert dict(sender.counts) == {"refused": 3}
    assert 30 <= sum(told.pauses) <= 33
    assert told.results[2]["problem"]["code"] == "QUEUE_FULL"


def test_a_refusal_of_the_whole_ends_it() -> None:
    told = Told(Web(asks_for_keys=True))
    with pytest.raises(CannotGoOn, match="UNAUTHORIZED"):
        told.send(file_of(3))


def test_a_summary_is_told_and_every_refused_line(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("symbol,side,quantity\nAAPL,buy,1\nAAPL,sell,1\nAAPL,buy,1,1\n", "utf-8")
    ran = call("submit", "--file", str(path), "--idempotency-key", "mine", "--url", desk.url)
    assert (ran.exit_code, ran.stdout) == (2, "1 accepted, 2 refused\n")
    assert ran.stderr.splitlines() == [
        "line 4: refused (UNSENDABLE: it has 4 cells, but the header names 3)",
        "line 3: refused (VALIDATION_FAILED: no sales)",
    ]
    assert (desk.names, desk.received[0][0]) == (["mine.0.0"], "/api/orders/batch")


def test_json_is_one_result_a_line(desk: Desk) -> None:
    text = '{"side":"buy"}\n{"side":"sell"}\n'
    arguments = ["submit", "--file", "-", "--json", "--url", desk.url]
    ran = CliRunner().invoke(main, arguments, input=text, obj=Surroundings())
    results = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [(each["line"], each["status"]) for each in results] == [(1, 202), (2, 400)]
    assert results[0]["order"] == {"orderId": "o-0"}
    assert (ran.exit_code, ran.stderr) == (2, "1 accepted, 1 refused\n")


def test_every_order_accepted_is_success(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "orders.jsonl"
    path.write_text('{"side":"buy"}\n' * 120, "utf-8")
    ran = call("submit", "--file", str(path), "--url", desk.url)
    assert (ran.exit_code, ran.output) == (0, "120 accepted\n")
    assert len({name.rpartition(".")[0].rpartition(".")[0] for name in desk.names}) == 1


def test_what_was_not_sent_is_told_when_nothing_answers_any_more(
    desk: Desk, tmp_path: Path
) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(file_of(150), "utf-8")
    desk.before = [(200, json.dumps({"results": [{"order": {}}] * 100}).encode()), (404, b"{}")]
    ran = call("submit", "--file", str(path), "--url", desk.url)
    assert (ran.exit_code, ran.stdout) == (2, "100 accepted, 50 not sent\n")
    assert "refused (404)" in ran.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["AAPL", "buy", "10"],
        ["--watch"],
        ["--slippage-bps", "5"],
        ["--idempotency-key", "k" * 236],
    ],
)
def test_a_file_goes_with_few_options(desk: Desk, tmp_path: Path, arguments: list[str]) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(file_of(1), "utf-8")
    ran = call("submit", *arguments, "--file", str(path), "--url", desk.url)
    assert (ran.exit_code, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)
    assert desk.received == []


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "No such file"), (b"\xff\xfe", "is not UTF-8"), (b"a,b\n", "line 1: 'a' is not")],
)
def test_a_file_that_can_not_be_read_is_one_line(
    desk: Desk, tmp_path: Path, content: bytes | None, told: str
) -> None:
    path = tmp_path / "orders.csv"
    if content is not None:
        path.write_bytes(content)
    ran = call("submit", "--file", str(path), "--url", desk.url)
    assert (ran.exit_code, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)
    assert told in ran.stderr
