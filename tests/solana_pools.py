"""Accounts of pools for tests: a pool's own, and those that it needs."""

from dataclasses import replace
from typing import Any

from solders.pubkey import Pubkey

from orderengine.solana.accounts import CLOCK, SYSVARS, Account
from orderengine.solana.pools import cpmm, localnet
from orderengine.solana.pools.pool import Pair
from tests.solana_layouts import (
    CPMM_CONFIG,
    CPMM_POOL,
    LOCALNET_POOL,
    MINT,
    TOKEN,
    TOKEN_ACCOUNT,
    anchor,
    encode,
    key,
)

POOL, BASE, USDC, BASE_VAULT, USDC_VAULT = map(key, range(1, 6))
CONFIG, OBSERVATION, OWNER = key(6), key(7), key(8)
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
    return Account(program, encode(TOKEN_ACCOUNT, values))


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
