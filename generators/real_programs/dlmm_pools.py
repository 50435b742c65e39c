"""Seeded pools of Meteora's DLMM, written as the accounts that the program reads."""

import random
import struct
from collections.abc import Iterable, Mapping
from typing import Any, Final

from solders.pubkey import Pubkey

from generators.layouts import (
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
from generators.real_programs.desk import Desk, Written
from orderengine.amm.dlmm_price import bin_price

BINS_PER_ARRAY: Final = 70
OWN_ARRAYS: Final = 512


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
    indexes = _put_arrays(desk, pool, active, bins, step)
    state = {
        **_fee_state(rng, desk.chain.now_s, active),
        "base_factor": factor,
        "bump_seed": bump,
        "bin_step_seed": step,
        "active_id": active,
        "bin_step": step,
        "require_base_factor_seed": 1,
        "base_factor_seed": factor,
        **_tokens_state(desk, tokens, reserves),
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


def _put_arrays(
    desk: Desk, pool: Pubkey, active: int, bins: Mapping[int, tuple[int, int]], step: int
) -> set[int]:
    """Write the arrays of the bins; returns their indexes."""
    indexes = {bin_id // BINS_PER_ARRAY for bin_id in bins}
    for index in indexes:
        seeds = [b"bin_array", bytes(pool), struct.pack("<q", index)]
        address = Pubkey.find_program_address(seeds, desk.program)[0]
        data = _array(desk.rng, pool, (index, active), bins, step)
        desk.chain.put(address, desk.program, data)
    return indexes


def _tokens_state(desk: Desk, tokens: list[Pubkey], reserves: list[Pubkey]) -> dict[str, Any]:
    """The fields of a pool that name its tokens X and Y, and where it has them."""
    return {
        "token_x_mint": tokens[0],
        "token_y_mint": tokens[1],
        "reserve_x": reserves[0],
        "reserve_y": reserves[1],
        "token_mint_x_program_flag": int(desk.program_of(tokens[0]) == TOKEN_2022),
        "token_mint_y_program_flag": int(desk.program_of(tokens[1]) == TOKEN_2022),
    }


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
