"""Seeded pools of the three programs, written as the accounts that the programs read."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from solders.pubkey import Pubkey

from generators.layouts import (
    AMM_V4_POOL,
    CPMM_CONFIG,
    CPMM_OBSERVATION,
    CPMM_POOL,
    TOKEN,
    TOKEN_2022,
    anchor,
    encode,
)
from generators.real_programs.desk import Desk, Written
from generators.real_programs.dlmm_pools import write_dlmm
from orderengine.solana.pools import amm_v4, cpmm, dlmm


def write_cpmm(desk: Desk) -> Written:
    """A pool of Raydium's CPMM: any order of its tokens, any fees that the program allows."""
    rng, program = desk.rng, desk.program
    authority, bump = Pubkey.find_program_address([b"vault_and_lp_mint_auth_seed"], program)
    mint, decimals, token = desk.base(TOKEN, TOKEN_2022)
    pool, config, observation = desk.key(), desk.key(), desk.key()
    kept = {
        f"{fee}_fees_token_{side}": rng.randrange(1_000)
        for fee in ("protocol", "fund")
        for side in (0, 1)
    }
    tokens = [mint, desk.usdc]
    rng.shuffle(tokens)
    vaults = [desk.vault(each, authority, desk.units() + 5_000) for each in tokens]
    rates = {
        "trade_fee_rate": rng.choice([100, 500, 2_500, 10_000, 20_000, 40_000]),
        "protocol_fee_rate": rng.choice([0, 120_000, 250_000]),
        "fund_fee_rate": rng.choice([0, 40_000]),
        "creator_fee_rate": rng.choice([0, 500, 10_000]),
    }
    state = {
        "amm_config": config,
        "token_0_vault": vaults[0],
        "token_1_vault": vaults[1],
        "token_0_mint": tokens[0],
        "token_1_mint": tokens[1],
        "token_0_program": desk.program_of(tokens[0]),
        "token_1_program": desk.program_of(tokens[1]),
        "observation_key": observation,
        "auth_bump": bump,
        "status": rng.choice([0, 1, 2, 3]),
        "lp_mint_decimals": 9,
        "lp_supply": 10**9,
        **kept,
    }
    desk.chain.put(config, program, encode(CPMM_CONFIG, rates, anchor("account", "AmmConfig")))
    seen = encode(CPMM_OBSERVATION, {"pool_id": pool}, anchor("account", "ObservationState"))
    desk.chain.put(observation, program, seen)
    desk.chain.put(pool, program, encode(CPMM_POOL, state, anchor("account", "PoolState")))
    return Written(pool, mint, decimals, token)


def write_amm_v4(desk: Desk) -> Written:
    """A pool of Raydium's AMM v4, swaps alone; some have begun to trade a moment ago."""
    rng, program = desk.rng, desk.program
    authority, nonce = Pubkey.find_program_address([b"amm authority"], program)
    mint, decimals, token = desk.base(TOKEN)
    pool = desk.key()
    tokens = [mint, desk.usdc]
    rng.shuffle(tokens)
    vaults = [desk.vault(each, authority, desk.units() + 5_000) for each in tokens]
    fee = rng.choice([(25, 10_000), (25, 10_000), (1, 1_000), (0, 10_000)])
    state: Mapping[str, Any] = {
        "status": rng.choice([6, 6, 7]),
        "nonce": nonce,
        "coin_decimals": 9,
        "pc_decimals": 6,
        "trade_fee_numerator": 25,
        "trade_fee_denominator": 10_000,
        "pnl_numerator": 12,
        "pnl_denominator": 100,
        "swap_fee_numerator": fee[0],
        "swap_fee_denominator": fee[1],
        "need_take_pnl_coin": rng.randrange(1_000),
        "need_take_pnl_pc": rng.randrange(1_000),
        "pool_open_time": desk.chain.now_s,
        "coin_vault": vaults[0],
        "pc_vault": vaults[1],
        "coin_vault_mint": tokens[0],
        "pc_vault_mint": tokens[1],
        "open_orders": desk.key(),
        "market": desk.key(),
        "market_program": desk.key(),
        "target_orders": desk.key(),
    }
    desk.chain.put(pool, program, encode(AMM_V4_POOL, state))
    return Written(pool, mint, decimals, token)


WRITERS: Final[Mapping[str, Callable[[Desk], Written]]] = {
    "cpmm": write_cpmm,
    "amm_v4": write_amm_v4,
    "dlmm": write_dlmm,
}
PROGRAM_IDS: Final[Mapping[str, Pubkey]] = {
    "cpmm": cpmm.MAINNET_PROGRAM,
    "amm_v4": amm_v4.MAINNET_PROGRAM,
    "dlmm": dlmm.PROGRAM_ID,
}
