"""Accounts of pools for tests: a pool's own, and those that it needs."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from solders.pubkey import Pubkey

from generators.layouts import (
    AMM_V4_POOL,
    CPMM_CONFIG,
    CPMM_POOL,
    DLMM_ARRAY_HEAD,
    DLMM_BIN,
    DLMM_BITMAP_EXTENSION,
    DLMM_PAIR,
    HELD_TOKENS,
    LOCALNET_POOL,
    MINT,
    OPEN_ORDERS,
    TOKEN,
    anchor,
    encode,
    key,
)
from orderengine.solana.accounts import CLOCK, SYSVARS, Account
from orderengine.solana.pools import amm_v4, cpmm, dlmm, localnet
from orderengine.solana.pools.pool import Pair

POOL, BASE, USDC, BASE_VAULT, USDC_VAULT = map(key, range(1, 6))
CONFIG, OBSERVATION, OWNER, OPEN_ORDERS_ADDRESS = key(6), key(7), key(8), key(10)
PAIR = Pair(BASE, USDC)
NOW_S = 1_800_000_000

Known = dict[Pubkey, Account | None]


def a_clock(unix_s: int = NOW_S) -> Account:
    data = b"".join(n.to_bytes(8, "little") for n in (77, 0, 1, 2, unix_s))
    return Account(SYSVARS, data)


def a_mint(decimals: int, program: Pubkey = TOKEN) -> Account:
    return Account(program, encode(MINT, {"decimals": decimals, "is_initialized": 1}))


def a_vault(mint: Pubkey, amount: int, program: Pubkey = TOKEN, state: int = 1) -> Account:
    values = {"mint": mint, "owner": OWNER, "amount": amount, "state": state}
    return Account(program, encode(HELD_TOKENS, values))


def around(base: int, usdc: int) -> Known:
    """The mints, the vaults and the clock of a pool with these base units."""
    return {
        BASE: a_mint(9),
        USDC: a_mint(6),
        BASE_VAULT: a_vault(BASE, base),
        USDC_VAULT: a_vault(USDC, usdc),
        CLOCK: a_clock(),
    }


def a_localnet_pool(base: int = 10**12, usdc: int = 10**11, **changed: Any) -> Known:
    values = {
        "magic": b"oepool01",
        "bump": localnet.authority_of(POOL)[1],
        "status": 1,
        "base_mint": BASE,
        "usdc_mint": USDC,
        "base_vault": BASE_VAULT,
        "usdc_vault": USDC_VAULT,
        "fee_rate": 2_500,
    }
    data = encode(LOCALNET_POOL, values | changed)
    return {POOL: Account(localnet.PROGRAM_ID, data), **around(base, usdc)}


def a_cpmm_pool(
    base: int = 10**12,
    usdc: int = 10**11,
    *,
    flipped: bool = False,
    rates: dict[str, int] | None = None,
    **changed: Any,
) -> Known:
    """A pool of Raydium's CPMM; `flipped` has USDC as its token 0."""
    order = [(BASE, BASE_VAULT), (USDC, USDC_VAULT)]
    (mint_0, vault_0), (mint_1, vault_1) = reversed(order) if flipped else order
    values = {
        "amm_config": CONFIG,
        "token_0_mint": mint_0,
        "token_1_mint": mint_1,
        "token_0_vault": vault_0,
        "token_1_vault": vault_1,
        "token_0_program": TOKEN,
        "token_1_program": TOKEN,
        "observation_key": OBSERVATION,
    }
    given = {"trade_fee_rate": 2_500, "protocol_fee_rate": 120_000, "fund_fee_rate": 40_000}
    config = encode(CPMM_CONFIG, given | (rates or {}), anchor("account", "AmmConfig"))
    data = encode(CPMM_POOL, values | changed, anchor("account", "PoolState"))
    return {
        POOL: Account(cpmm.MAINNET_PROGRAM, data),
        CONFIG: Account(cpmm.MAINNET_PROGRAM, config),
        **around(base, usdc),
    }


def changed(accounts: Known, address: Pubkey, **fields: Any) -> Known:
    """The accounts with another owner or other bytes of one of them."""
    account = accounts[address]
    assert account is not None
    return {**accounts, address: replace(account, **fields)}


COIN_FIRST = ((BASE, BASE_VAULT), (USDC, USDC_VAULT))
AMM_NONCE = 254
"""The nonce of the authority of all pools on mainnet."""


def an_amm_v4_pool(
    base: int = 10**12, usdc: int = 10**11, *, flipped: bool = False, **changed: Any
) -> Known:
    """A pool of Raydium's AMM v4 for swaps alone; `flipped` has USDC as its coin."""
    (coin, coin_vault), (pc, pc_vault) = COIN_FIRST[::-1] if flipped else COIN_FIRST
    values = {
        "status": 6,
        "nonce": AMM_NONCE,
        "swap_fee_numerator": 25,
        "swap_fee_denominator": 10_000,
        "coin_vault": coin_vault,
        "pc_vault": pc_vault,
        "coin_vault_mint": coin,
        "pc_vault_mint": pc,
        "open_orders": OPEN_ORDERS_ADDRESS,
    }
    data = encode(AMM_V4_POOL, values | changed)
    return {POOL: Account(amm_v4.MAINNET_PROGRAM, data), **around(base, usdc)}


def open_orders(**totals: int) -> Account:
    """An account with open orders, on OpenBook."""
    data = encode(OPEN_ORDERS, {"head": b"serum", "tail": b"padding", **totals})
    return Account(key(77), data)


Bins = dict[int, tuple[int, int]]
ORACLE = key(9)
AROUND_ZERO: Bins = {-1: (0, 5_000_000), 0: (2_000_000, 1_000_000), 1: (4_000_000, 0)}


def array_at(index: int) -> Pubkey:
    seeds = [b"bin_array", bytes(POOL), index.to_bytes(8, "little", signed=True)]
    return Pubkey.find_program_address(seeds, dlmm.PROGRAM_ID)[0]


def extension_at() -> Pubkey:
    return Pubkey.find_program_address([b"bitmap", bytes(POOL)], dlmm.PROGRAM_ID)[0]


def an_extension(*, positive: int = 0, negative: int = 0, pool: Pubkey = POOL) -> Account:
    """A bitmap beside the pool's own, with these bits of its two halves."""
    values = {
        "lb_pair": pool,
        "positive": positive.to_bytes(768, "little"),
        "negative": negative.to_bytes(768, "little"),
    }
    data = encode(DLMM_BITMAP_EXTENSION, values, anchor("account", "BinArrayBitmapExtension"))
    return Account(dlmm.PROGRAM_ID, data)


def an_array(index: int, bins: Bins, *, pool: Pubkey = POOL, **orders: Any) -> Account:
    """An array of bins; `orders` are further fields of its first bin."""
    parts = [
        encode(DLMM_ARRAY_HEAD, {"index": index, "lb_pair": pool}, anchor("account", "BinArray"))
    ]
    for number in range(70):
        x, y = bins.get(index * 70 + number, (0, 0))
        more = orders if number == 0 else {}
        parts.append(encode(DLMM_BIN, {"amount_x": x, "amount_y": y, **more}))
    return Account(dlmm.PROGRAM_ID, b"".join(parts))


def a_dlmm_pool(bins: Bins | None = None, *, flipped: bool = False, **changed: Any) -> Known:
    """A pool of Meteora's DLMM with a base fee of 20 bps; `flipped` has USDC as its X."""
    bins = AROUND_ZERO if bins is None else bins
    (mint_x, vault_x), (mint_y, vault_y) = COIN_FIRST[::-1] if flipped else COIN_FIRST
    indexes = {bin_id // 70 for bin_id in bins}
    values = {
        "base_factor": 8_000,
        "filter_period": 30,
        "decay_period": 600,
        "reduction_factor": 5_000,
        "variable_fee_control": 7_500,
        "max_volatility_accumulator": 350_000,
        "protocol_share": 500,
        "volatility_accumulator": 11_000,
        "volatility_reference": 7_000,
        "index_reference": -3,
        "last_update_timestamp": NOW_S - 10,
        "bin_step": 25,
        "token_x_mint": mint_x,
        "token_y_mint": mint_y,
        "reserve_x": vault_x,
        "reserve_y": vault_y,
        "oracle": ORACLE,
        "bin_array_bitmap": sum(1 << (index + 512) for index in indexes).to_bytes(128, "little"),
    }
    data = encode(DLMM_PAIR, values | changed, anchor("account", "LbPair"))
    arrays: Known = {array_at(index): an_array(index, bins) for index in indexes}
    return {POOL: Account(dlmm.PROGRAM_ID, data), **arrays, **around(10**12, 10**12)}


def with_any_bytes(data: st.DataObject, accounts: Known, *addresses: Pubkey) -> Known:
    """The accounts with bytes drawn at random in one of these, or in place of all that it has."""
    address = data.draw(st.sampled_from(addresses))
    account = accounts[address]
    assert account is not None
    start = data.draw(st.integers(0, min(len(account.data), 1_000)))
    drawn = data.draw(st.binary(max_size=64))
    mixed = account.data[:start] + drawn + account.data[start + len(drawn) :]
    return {**accounts, address: Account(account.owner, data.draw(st.sampled_from([mixed, drawn])))}


def lengths(accounts: Known) -> dict[Pubkey, int]:
    return {address: len(account.data) for address, account in accounts.items() if account}
