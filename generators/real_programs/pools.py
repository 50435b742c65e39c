"""Seeded pools of the three programs, written as the accounts that the programs read."""

import random
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from solders.pubkey import Pubkey

from generators.layouts import (
    AMM_V4_POOL,
    CPMM_CONFIG,
    CPMM_OBSERVATION,
    CPMM_POOL,
    DLMM_ARRAY_HEAD,
    DLMM_BIN,
    DLMM_BITMAP_EXTENSION,
    DLMM_ORACLE,
    DLMM_PAIR,
    TOKEN,
    TOKEN_2022,
    anchor,
    encode,
)
from generators.real_programs.chain import Chain
from orderengine.amm.dlmm_price import bin_price
from orderengine.solana.pools import amm_v4, cpmm, dlmm

BASE_DECIMALS: Final = (6, 8, 9)
BINS_PER_ARRAY: Final = 70
OWN_ARRAYS: Final = 512
_MOST = 10**14


@dataclass(frozen=True, slots=True)
class Written:
    """A pool on the chain: its address, and the mint of its base asset with its program."""

    address: Pubkey
    base: Pubkey
    decimals: int
    token: Pubkey


@dataclass(frozen=True, slots=True)
class Desk:
    """What a pool is written with: the chain, the program, the mint of USDC, and the draws."""

    chain: Chain
    program: Pubkey
    usdc: Pubkey
    rng: random.Random

    def key(self) -> Pubkey:
        """A new address."""
        return Pubkey.from_bytes(self.rng.randbytes(32))

    def base(self, *programs: Pubkey) -> tuple[Pubkey, int, Pubkey]:
        """A new mint of one of these token programs: its address, decimals and program."""
        mint, decimals = self.key(), self.rng.choice(BASE_DECIMALS)
        program = self.rng.choice(programs)
        self.chain.put_mint(mint, decimals, program)
        return mint, decimals, program

    def program_of(self, mint: Pubkey) -> Pubkey:
        """The token program of a mint."""
        account = self.chain.read([mint])[1][mint]
        return TOKEN if account is None else account.owner

    def units(self, most: int = _MOST) -> int:
        """An amount of any size, small ones as likely as large ones."""
        return max(1_000, int(most ** self.rng.uniform(0.4, 1)))

    def vault(self, mint: Pubkey, owner: Pubkey, amount: int) -> Pubkey:
        """A new token account with this amount."""
        address = self.key()
        self.chain.put_tokens(address, mint, owner, amount, self.program_of(mint))
        return address


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


def write_dlmm(desk: Desk) -> Written:
    """A pool of Meteora's DLMM: bins with gaps in several arrays, and any kind of fee."""
    rng, program = desk.rng, desk.program
    mint, decimals, token = desk.base(TOKEN, TOKEN_2022)
    tokens = [mint, desk.usdc]
    rng.shuffle(tokens)
    step = rng.choice([1, 4, 10, 25, 80, 100])
    factor = rng.choice([2_000, 8_000, 10_000])
    in_order = sorted(map(bytes, tokens))
    seeds = [*in_order, struct.pack("<H", step), struct.pack("<H", factor)]
    pool, bump = Pubkey.find_program_address(seeds, program)
    oracle = Pubkey.find_program_address([b"oracle", bytes(pool)], program)[0]
    active = rng.randrange(-20_000, 20_000) // step
    if step <= 4 and rng.random() < 0.5:  # where the pool's own bitmap of arrays ends
        active = rng.choice([-1, 1]) * (OWN_ARRAYS * BINS_PER_ARRAY + rng.randrange(-90, 90))
    bins = _bins(rng, active)
    reserves = [
        desk.vault(token, pool, sum(_sides(bins, n)) + 10**15) for n, token in enumerate(tokens)
    ]
    indexes = {bin_id // BINS_PER_ARRAY for bin_id in bins}
    for index in indexes:
        address = Pubkey.find_program_address(
            [b"bin_array", bytes(pool), struct.pack("<q", index)], program
        )[0]
        desk.chain.put(address, program, _array(rng, pool, (index, active), bins, step))
    state = {
        **_fee_state(rng, desk.chain.now_s, active),
        "base_factor": factor,
        "bump_seed": bump,
        "bin_step_seed": step,
        "active_id": active,
        "bin_step": step,
        "require_base_factor_seed": 1,
        "base_factor_seed": factor,
        "token_x_mint": tokens[0],
        "token_y_mint": tokens[1],
        "reserve_x": reserves[0],
        "reserve_y": reserves[1],
        "token_mint_x_program_flag": int(desk.program_of(tokens[0]) == TOKEN_2022),
        "token_mint_y_program_flag": int(desk.program_of(tokens[1]) == TOKEN_2022),
        "oracle": oracle,
        "bin_array_bitmap": _bits(
            index + OWN_ARRAYS for index in indexes if -OWN_ARRAYS <= index < OWN_ARRAYS
        ).to_bytes(128, "little"),
    }
    _put_extension(desk, pool, indexes)
    desk.chain.put(pool, program, encode(DLMM_PAIR, state, anchor("account", "LbPair")))
    seen = encode(DLMM_ORACLE, {"length": 100, "active_size": 1}, anchor("account", "Oracle"))
    desk.chain.put(oracle, program, seen)
    return Written(pool, mint, decimals, token)


def _bits(places: Iterable[int]) -> int:
    return sum(1 << place for place in places)


def _put_extension(desk: Desk, pool: Pubkey, indexes: Iterable[int]) -> None:
    """The bitmap of the arrays beyond the pool's own; some pools have an empty one."""
    above = _bits(index - OWN_ARRAYS for index in indexes if index >= OWN_ARRAYS)
    below = _bits(-index - 1 - OWN_ARRAYS for index in indexes if index < -OWN_ARRAYS)
    if not (above or below or desk.rng.random() < 0.2):
        return
    values = {
        "lb_pair": pool,
        "positive": above.to_bytes(768, "little"),
        "negative": below.to_bytes(768, "little"),
    }
    address = Pubkey.find_program_address([b"bitmap", bytes(pool)], desk.program)[0]
    data = encode(DLMM_BITMAP_EXTENSION, values, anchor("account", "BinArrayBitmapExtension"))
    desk.chain.put(address, desk.program, data)


def _fee_state(rng: random.Random, now_s: int, active: int) -> dict[str, int]:
    return {
        "filter_period": 30,
        "decay_period": 600,
        "reduction_factor": 5_000,
        "variable_fee_control": rng.choice([0, 7_500, 40_000, 500_000]),
        "max_volatility_accumulator": rng.choice([150_000, 350_000]),
        "min_bin_id": -443_636,
        "max_bin_id": 443_636,
        "protocol_share": rng.choice([0, 500, 2_000]),
        "collect_fee_mode": rng.choice([0, 0, 1]),
        "function_type": rng.choice([0, 1, 2]),
        "volatility_accumulator": rng.randrange(100_000),
        "volatility_reference": rng.randrange(50_000),
        "index_reference": active + rng.randrange(-3, 4),
        "last_update_timestamp": now_s - rng.choice([0, 10, 100, 1_000]),
    }


def _bins(rng: random.Random, active: int) -> dict[int, tuple[int, int]]:
    """Amounts of X and Y by bin: X above the active bin, Y below it, both in it, with gaps."""
    reach, most = rng.choice([20, 90, 160]), int(10 ** rng.uniform(4, 13))
    bins = {}
    for bin_id in range(active - reach, active + reach + 1):
        if rng.random() < 0.2 and bin_id != active:
            continue
        x = rng.randrange(most) if bin_id >= active else 0
        y = rng.randrange(most) if bin_id <= active else 0
        if x or y:
            bins[bin_id] = (x, y)
    return bins


def _sides(bins: Mapping[int, tuple[int, int]], number: int) -> list[int]:
    return [amounts[number] for amounts in bins.values()]


def _orders(rng: random.Random, distance: int) -> dict[str, int]:
    """Limit orders in a fifth of the bins: asks at and above the active bin, bids below it."""
    if rng.random() < 0.8:
        return {}
    opened, left = (rng.choice([0, rng.randrange(10**9)]) for _ in range(2))
    return {
        "open_order_amount": opened,
        "total_processing_order_amount": left + rng.randrange(10**6) if left else 0,
        "processed_order_remaining_amount": left,
        "order_age": 3,
        "limit_order_ask_side": int(distance >= 0),
    }


def _array(
    rng: random.Random,
    pool: Pubkey,
    place: tuple[int, int],
    bins: Mapping[int, tuple[int, int]],
    step: int,
) -> bytes:
    """The array of an index; limit orders depend on the active bin."""
    index, active = place
    head = {"index": index, "lb_pair": pool, "version": 1}
    parts = [encode(DLMM_ARRAY_HEAD, head, anchor("account", "BinArray"))]
    for bin_id in range(index * BINS_PER_ARRAY, (index + 1) * BINS_PER_ARRAY):
        x, y = bins.get(bin_id, (0, 0))
        price = bin_price(bin_id, step)
        values = {
            "amount_x": x,
            "amount_y": y,
            "price": price,
            "liquidity_supply": min(x * price + (y << 64), 2**128 - 1),
            **_orders(rng, bin_id - active),
        }
        parts.append(encode(DLMM_BIN, values))
    return b"".join(parts)


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
