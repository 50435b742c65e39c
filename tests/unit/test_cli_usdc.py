"""The commands that take an amount in USDC."""

from collections.abc import Iterator

import pytest

from tests.cli_desk import Desk, call, open_desk


@pytest.fixture
def desk() -> Iterator[Desk]:
    with open_desk() as desk:
        yield desk


def test_an_order_of_usdc_is_placed(desk: Desk) -> None:
    ran = call("submit", "AAPL", "sell", "--quote-quantity", "1500", "--url", desk.url)
    assert (ran.exit_code, ran.stdout) == (0, "order 7a5f: sell AAPL for 1500 USDC\n")
    order = {"symbol": "AAPL", "side": "sell", "quoteQuantity": "1500"}
    assert desk.received == [("/api/orders/execute", order)]


@pytest.mark.parametrize("command", ["submit", "quotes"])
@pytest.mark.parametrize(
    ("amounts", "told"),
    [
        ([], "Missing argument 'QUANTITY'."),
        (["1", "--quote-quantity", "1"], "QUANTITY and --quote-quantity exclude each other"),
    ],
)
def test_a_command_takes_one_amount(
    desk: Desk, command: str, amounts: list[str], told: str
) -> None:
    ran = call(command, "AAPL", "buy", *amounts, "--url", desk.url)
    assert ran.exit_code == 2
    assert told in ran.stderr
    assert desk.received == []
