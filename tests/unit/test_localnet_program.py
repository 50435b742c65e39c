"""The program of the localnet's pools against `amm.cpmm`, and what it refuses."""

import struct
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from solders.account import Account
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from orderengine.amm.cpmm import CpmmFees, CpmmPool, CpmmSwap, exact_in, exact_out
from orderengine.amm.direction import Direction
from orderengine.amm.errors import InsufficientLiquidity
from orderengine.domain.side import Side
from orderengine.localnet.pools import fill_pool, fund, put_pool
from orderengine.solana.accounts import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from tests.localnet import Localnet, a_localnet

U64_MAX = 2**64 - 1
TOP = U64_MAX - 1
VENUE = "raydium"
amounts = st.integers(0, U64_MAX) | st.integers(0, 64).map(lambda bits: 2**bits - 1)
reserves = st.integers(1, TOP) | st.integers(1, 63).map(lambda bits: 2**bits)


@pytest.fixture(scope="module")
def net() -> Iterator[Localnet]:
    net = a_localnet("AAPL")
    yield net
    net.node.close()


def set_pool(net: Localnet, base: int, usdc: int, fee_rate: int) -> None:
    """A pool with these reserves, and a wallet that has as much as fits beside them."""
    bank, instrument, user = net.node.bank, net.instrument("AAPL"), net.wallet.pubkey()
    put_pool(bank, instrument, VENUE, fee_rate=fee_rate)
    fill_pool(bank, instrument, VENUE, base, usdc)
    mint = Pubkey.from_string(instrument.mint or "")
    fund(bank, user, mint, U64_MAX - base, TOKEN_2022_PROGRAM)
    fund(bank, user, net.pool("AAPL", VENUE).usdc.mint, U64_MAX - usdc, TOKEN_PROGRAM)


def landed(net: Localnet, instruction: Instruction) -> tuple[object, dict[str, int]]:
    """The failure of a landed swap, and what each token account gained."""
    signature = net.send(net.signed(instruction))
    net.node.tick(2)
    (found,) = [
        each
        for each in net.ask("localnet_ledger", {"after": net.node.blocks[-3].slot})["landings"]
        if each["signature"] == signature
    ]
    return found["err"], {each["account"]: each["units"] for each in found["deltas"]}


def expected(side: Side, amount: int, base: int, usdc: int, fee_rate: int) -> CpmmSwap | None:
    """The swap by the engine's maths, None where the program must refuse it."""
    pool = CpmmPool(base, usdc, CpmmFees(trade=fee_rate))
    try:
        if side is Side.SELL:
            swap = exact_in(pool, amount, Direction.X_TO_Y)
        else:
            swap = exact_out(pool, amount, Direction.Y_TO_X)
    except InsufficientLiquidity:
        return None
    # An exact input is added to the reserve in 64 bits before the curve is asked.
    overflows = side is Side.SELL and base + swap.net_in > U64_MAX
    is_refused = swap.amount_out == 0 or swap.amount_in > U64_MAX or overflows
    return None if is_refused else swap


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    side=st.sampled_from(Side),
    amount=amounts,
    base=reserves,
    usdc=reserves,
    fee_rate=st.integers(0, 999_999) | st.sampled_from([0, 1, 2_500, 999_999]),
)
def test_amounts_are_those_of_the_engine_to_the_unit(
    net: Localnet, side: Side, amount: int, base: int, usdc: int, fee_rate: int
) -> None:
    set_pool(net, base, usdc, fee_rate)
    swap = expected(side, amount, base, usdc, fee_rate)
    failure, gained = landed(
        net, net.swap("AAPL", VENUE, side, amount, U64_MAX if side is Side.BUY else 0)
    )
    if swap is None:
        assert failure == {"InstructionError": [0, {"Custom": 6006}]}
        return
    paid, got = swap.amount_in, swap.amount_out
    has = U64_MAX - (base if side is Side.SELL else usdc)
    if paid > has:
        assert failure == {"InstructionError": [0, {"Custom": 1}]}
        return
    assert failure is None
    pool = net.pool("AAPL", VENUE)
    vaults = (pool.base.vault, pool.usdc.vault)
    base_gain, usdc_gain = (gained[str(vault)] for vault in vaults)
    assert (base_gain, usdc_gain) == ((paid, -got) if side is Side.SELL else (-got, paid))


@pytest.mark.parametrize("side", Side)
def test_the_limit_holds_to_the_unit(net: Localnet, side: Side) -> None:
    set_pool(net, 10**12, 3 * 10**12, 2_500)
    swap = expected(side, 10**9, 10**12, 3 * 10**12, 2_500)
    assert swap is not None
    limit, beyond = (
        (swap.amount_in, swap.amount_in - 1)
        if side is Side.BUY
        else (swap.amount_out, swap.amount_out + 1)
    )
    refused = net.simulate(net.signed(net.swap("AAPL", VENUE, side, 10**9, beyond)))
    assert refused["err"] == {"InstructionError": [0, {"Custom": 6005}]}
    assert "custom program error: 0x1775" in refused["logs"][-1]
    taken = net.simulate(net.signed(net.swap("AAPL", VENUE, side, 10**9, limit)))
    assert taken["err"] is None


@pytest.mark.parametrize("state", ["paused", "closed", "open"])
def test_a_pool_trades_only_when_it_is_open(net: Localnet, state: str) -> None:
    set_pool(net, 10**12, 10**12, 2_500)
    instruction = net.swap("AAPL", VENUE, Side.SELL, 1_000, 0)
    address = Pubkey.from_string(net.instrument("AAPL").pools[VENUE])
    found = net.node.bank.account(address, net.node.blocks[-1].slot)
    assert found is not None
    data, now = bytearray(found.data), net.node.blocks[-1].time
    data[9] = state != "paused"
    struct.pack_into("<q", data, 152, now + 3_600 if state == "closed" else now)
    net.node.bank.put(address, Account(found.lamports, bytes(data), found.owner))
    failure = net.simulate(net.signed(instruction))["err"]
    if state == "open":
        assert failure is None
    else:
        assert failure == {"InstructionError": [0, {"Custom": 6007}]}


WRONG = {
    3: "the pool",
    4: "the vault that gets",
    5: "the vault that pays",
    7: "the mint paid",
    8: "the mint got",
    9: "the program of the token paid",
    10: "the program of the token got",
}


@pytest.mark.parametrize("index", WRONG, ids=WRONG.get)
def test_foreign_accounts_are_refused(net: Localnet, index: int) -> None:
    set_pool(net, 10**12, 10**12, 2_500)
    good = net.swap("AAPL", VENUE, Side.SELL, 1_000, 0)
    foreign = net.swap("AAPL", "meteora", Side.BUY, 1_000, U64_MAX).accounts[index].pubkey
    accounts = list(good.accounts)
    accounts[index] = AccountMeta(foreign, is_signer=False, is_writable=accounts[index].is_writable)
    bad = Instruction(good.program_id, bytes(good.data), accounts)
    failure = net.simulate(net.signed(bad))["err"]
    assert failure == {"InstructionError": [0, {"Custom": 6008}]}


def test_another_authority_cannot_pay(net: Localnet) -> None:
    set_pool(net, 10**12, 10**12, 2_500)
    good = net.swap("AAPL", VENUE, Side.SELL, 1_000, 0)
    accounts = list(good.accounts)
    foreign = net.pool("AAPL", "meteora").authority
    accounts[6] = AccountMeta(foreign, is_signer=False, is_writable=False)
    bad = Instruction(good.program_id, bytes(good.data), accounts)
    assert net.simulate(net.signed(bad))["err"] is not None


@pytest.mark.parametrize("data", [b"", b"\x00" * 16, b"\x00" * 18, b"\x02" + bytes(16)])
def test_other_instructions_are_refused(net: Localnet, data: bytes) -> None:
    set_pool(net, 10**12, 10**12, 2_500)
    good = net.swap("AAPL", VENUE, Side.SELL, 1_000, 0)
    bad = Instruction(good.program_id, data, list(good.accounts))
    failure = net.simulate(net.signed(bad))["err"]
    assert failure == {"InstructionError": [0, {"Custom": 6008}]}
