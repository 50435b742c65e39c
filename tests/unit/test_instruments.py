"""The instrument file and the rules for a quantity."""

from decimal import Decimal

import pytest

from orderengine.config.settings import PACKAGE_DIR
from orderengine.domain.errors import FailureReason, OrderUnfillable
from orderengine.domain.instruments import Instruments, TokenProgram, parse_instruments

HEADER = "symbol,name,decimals,quantity_step,min_quantity,max_quantity,reference_price,depth\n"
LINE = "XYZ,Xyz,6,0.01,0.1,100,5,1000\n"
LIVE = HEADER.replace("depth\n", "depth,mint,token_program,raydium,meteora\n")
SOL = "So11111111111111111111111111111111111111112"
POOL = "58oQChx4yWmvKdwLLZzBi4ChoCc2fqCUWBkwMihLYQo2"
OTHER = "5rCf1DM8LjKTw4YqhnoLcngyZYeNnQqztScTogYHAS6"


def test_the_shipped_file_has_what_was_promised(instruments: Instruments) -> None:
    symbols = [instrument.symbol for instrument in instruments]
    promised = {"AAPL", "TSLA", "NVDA", "SPY", "BTC", "ETH", "SOL", "JUP", "BONK", "RAY"}
    assert promised <= set(symbols)
    assert symbols[0] == "AAPL"


def test_a_line_adds_an_instrument() -> None:
    (added,) = parse_instruments(HEADER + LINE)
    assert (added.symbol, added.quantity_step) == ("XYZ", Decimal("0.01"))


@pytest.mark.parametrize(
    ("quantity", "rule"),
    [("0.09", "min"), ("100.01", "max"), ("0.105", "step"), ("0.1", None), ("100", None)],
)
def test_the_rules_of_a_quantity(quantity: str, rule: str | None) -> None:
    (instrument,) = parse_instruments(HEADER + LINE)
    violation = instrument.violation(Decimal(quantity))
    assert (violation.rule if violation else None) == rule
    assert violation is None or violation.field == "quantity"


@pytest.mark.parametrize(
    "line",
    [
        "XYZ,Xyz,6,0.01,0.1,100,5\n",
        "XYZ,Xyz,6,0.01,0.1,100,cheap,1000\n",
        "XYZ,Xyz,6,0,0.1,100,5,1000\n",
        "XYZ,Xyz,6,0.01,0,100,5,1000\n",
        "XYZ,Xyz,6,0.01,9,1,5,1000\n",
        "XYZ,Xyz,99,0.01,0.1,100,5,1000\n",
        "XYZ,Xyz,1,0.01,0.1,100,5,1000\n",
        ",Xyz,6,0.01,0.1,100,5,1000\n",
        "X Z,Xyz,6,0.01,0.1,100,5,1000\n",
        "XÝZ,Xyz,6,0.01,0.1,100,5,1000\n",
        f"{'X' * 65},Xyz,6,0.01,0.1,100,5,1000\n",
        "XYZ,Xyz,6,0.01,0.1,Infinity,5,1000\n",
        "XYZ,Xyz,6,0.01,0.1,100,Infinity,1000\n",
        "XYZ,Xyz,6,0.01,0.1,100,5,Infinity\n",
        "XYZ,Xyz,6,0.01,0.1,100,NaN,1000\n",
    ],
)
def test_a_wrong_line_is_named(line: str) -> None:
    with pytest.raises(ValueError, match="line 2"):
        parse_instruments(HEADER + line)


def test_a_line_may_name_its_token_and_pools_on_a_live_network() -> None:
    line = LINE.strip()
    (live,) = parse_instruments(f"{LIVE}{line},{SOL},token-2022,,{POOL}\n")
    assert (live.mint, live.token_program) == (SOL, TokenProgram.TOKEN_2022)
    assert live.pools == {"meteora": POOL}
    (plain,) = parse_instruments(f"{LIVE}{line},{SOL},,{POOL},{OTHER}\n")
    assert plain.token_program is TokenProgram.TOKEN
    assert plain.pools == {"raydium": POOL, "meteora": OTHER}
    (without,) = parse_instruments(HEADER + LINE)
    assert [without] == list(parse_instruments(f"{LIVE}{line},,,,\n"))
    assert (without.mint, without.pools) == (None, {})
    assert len({live, plain, without}) == 3


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ("So1,token,,", "mint must be an address"),
        (f"{SOL[:-1]}0,token,,", "mint must be an address"),
        (f"{SOL},token,raydium-pool,", "raydium must be an address"),
        (f"{SOL},token,,{POOL}1", "meteora must be an address"),
        (f"{SOL},token2022,,", "token2022"),
        (f",,{POOL},", "need a mint"),
        (",token,,", "need a mint"),
    ],
)
def test_a_wrong_address_is_named(columns: str, told: str) -> None:
    with pytest.raises(ValueError, match=f"line 2.*{told}"):
        parse_instruments(f"{LIVE}{LINE.strip()},{columns}\n")


def test_a_pool_belongs_to_one_instrument() -> None:
    line = f"{LINE.strip()},{SOL},token,{POOL},\n"
    with pytest.raises(ValueError, match="pool is listed twice"):
        parse_instruments(f"{LIVE}{line}{line.replace('XYZ', 'ABC')}")
    with pytest.raises(ValueError, match="pool is listed twice"):
        parse_instruments(f"{LIVE}{LINE.strip()},{SOL},token,{POOL},{POOL}\n")


@pytest.mark.parametrize("cluster", ["mainnet", "devnet"])
def test_the_files_of_the_clusters_name_every_mint(cluster: str) -> None:
    text = (PACKAGE_DIR / f"instruments-{cluster}.csv").read_text("utf-8")
    listed = list(parse_instruments(text))
    mints = [each.mint for each in listed]
    assert None not in mints
    assert len(set(mints)) == len(mints)
    assert not any(each.launched or each.former_decimals for each in listed)


def test_a_symbol_listed_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        parse_instruments(HEADER + LINE + LINE)


def test_whole_tokens_become_base_units_exactly(instruments: Instruments) -> None:
    bonk = instruments.get("BONK")
    assert bonk.base_units(Decimal(1000000000000)) == 10**17
    with pytest.raises(ValueError, match="finer"):
        bonk.base_units(Decimal("0.000001"))


def test_an_instrument_that_is_gone_makes_an_order_unfillable(instruments: Instruments) -> None:
    assert instruments.find("NOPE") is None
    with pytest.raises(OrderUnfillable) as caught:
        instruments.get("NOPE")
    assert caught.value.reason is FailureReason.UNKNOWN_SYMBOL
