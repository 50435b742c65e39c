"""Evaluates each kind of AMM vector: from its input fields to our output fields.

Inputs are read liberally (integers or decimal strings, a few spellings of a name, defaults for
optional fields of a pool), outputs are exact integers.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from orderengine.amm import amm_v4, cpmm, dlmm
from orderengine.amm.constant_product import curve_in, curve_out
from orderengine.amm.direction import Direction
from orderengine.amm.dlmm_fee import (
    CollectFeeMode,
    StaticParameters,
    VariableParameters,
    base_fee_rate,
    fee_on_top,
    fee_within,
    total_fee_rate,
    variable_fee_rate,
)
from orderengine.amm.dlmm_price import bin_price
from orderengine.domain.pricing import limit_amount
from orderengine.domain.side import Side

SURPLUS = "surplus_out"
"""The amount that an exact output took out of the bins and nobody got, by the program's rule."""

Inputs = Mapping[str, Any]
Outputs = dict[str, int]
Evaluator = Callable[[Inputs, Collection[str]], Outputs]

# AMM v4 also numbers its directions: PC2Coin is 1 and Coin2PC is 2.
_NAMES_OF_X_TO_Y = {"coin2pc", "cointopc", "xtoy", "x2y", "zeroforone", "swapfory", "2"}
_NAMES_OF_Y_TO_X = {"pc2coin", "pctocoin", "ytox", "y2x", "oneforzero", "swapforx", "1"}


def integer(inputs: Inputs, *names: str, default: int | None = None) -> int:
    """The first of these fields that exists, as an integer; KeyError if none does."""
    for name in names:
        if name in inputs:
            return int(inputs[name])
    if default is None:
        raise KeyError(names[0])
    return default


def boolean(inputs: Inputs, name: str) -> bool:
    """A field that is true unless it says otherwise: a boolean, a number or text."""
    return str(inputs.get(name, True)).lower() not in {"false", "0"}


def direction_of(inputs: Inputs) -> Direction:
    """The direction of the swap; X to Y if the input names none."""
    if "direction" not in inputs:
        return Direction.X_TO_Y if boolean(inputs, "swap_for_y") else Direction.Y_TO_X
    name = re.sub(r"[^a-z0-9]", "", str(inputs["direction"]).lower())
    if name in _NAMES_OF_X_TO_Y:
        return Direction.X_TO_Y
    if name in _NAMES_OF_Y_TO_X:
        return Direction.Y_TO_X
    raise ValueError(f"unknown direction {inputs['direction']!r}")


def _curve(inputs: Inputs, _: Collection[str]) -> Outputs:
    if "total_coin" in inputs:
        reserve_in, reserve_out = integer(inputs, "total_coin"), integer(inputs, "total_pc")
        if direction_of(inputs) is Direction.Y_TO_X:
            reserve_in, reserve_out = reserve_out, reserve_in
    else:
        reserve_in = integer(inputs, "reserve_in", "input_vault_amount")
        reserve_out = integer(inputs, "reserve_out", "output_vault_amount")
    if "amount_in" in inputs or "input_amount" in inputs:
        amount_in = integer(inputs, "amount_in", "input_amount")
        return {"amount_out": curve_out(amount_in, reserve_in, reserve_out)}
    amount_out = integer(inputs, "amount_out", "output_amount")
    return {"amount_in": curve_in(amount_out, reserve_in, reserve_out)}


def _cpmm_pool(inputs: Inputs) -> cpmm.CpmmPool:
    on_input = boolean(inputs, "is_creator_fee_on_input")
    fees = cpmm.CpmmFees(
        trade=integer(inputs, "trade_fee_rate", default=0),
        protocol=integer(inputs, "protocol_fee_rate", default=0),
        fund=integer(inputs, "fund_fee_rate", default=0),
        creator=integer(inputs, "creator_fee_rate", default=0),
        creator_fee_on=cpmm.CreatorFeeOn.X if on_input else cpmm.CreatorFeeOn.Y,
    )
    reserve_x = integer(inputs, "input_vault_amount", "reserve_in")
    return cpmm.CpmmPool(reserve_x, integer(inputs, "output_vault_amount", "reserve_out"), fees)


def _cpmm_outputs(pool: cpmm.CpmmPool, swap: cpmm.CpmmSwap) -> Outputs:
    return {
        "input_amount": swap.amount_in,
        "output_amount": swap.amount_out,
        "trade_fee": swap.trade_fee,
        "protocol_fee": swap.protocol_fee,
        "fund_fee": swap.fund_fee,
        "creator_fee": swap.creator_fee,
        "lp_fee": swap.lp_fee,
        "new_input_vault_amount": pool.reserve_x + swap.net_in,
        "new_output_vault_amount": pool.reserve_y - swap.gross_out,
    }


def _cpmm_base_input(inputs: Inputs, _: Collection[str]) -> Outputs:
    pool, amount_in = _cpmm_pool(inputs), integer(inputs, "input_amount", "amount_in")
    return _cpmm_outputs(pool, cpmm.exact_in(pool, amount_in, Direction.X_TO_Y))


def _cpmm_base_output(inputs: Inputs, _: Collection[str]) -> Outputs:
    pool, amount_out = _cpmm_pool(inputs), integer(inputs, "output_amount", "amount_out")
    return _cpmm_outputs(pool, cpmm.exact_out(pool, amount_out, Direction.X_TO_Y))


def _v4_pool(inputs: Inputs) -> amm_v4.AmmV4Pool:
    return amm_v4.AmmV4Pool(
        reserve_x=integer(inputs, "total_coin"),
        reserve_y=integer(inputs, "total_pc"),
        fee_numerator=integer(inputs, "swap_fee_numerator", default=amm_v4.SWAP_FEE_NUMERATOR),
        fee_denominator=integer(
            inputs, "swap_fee_denominator", default=amm_v4.SWAP_FEE_DENOMINATOR
        ),
    )


def _v4_base_in(inputs: Inputs, _: Collection[str]) -> Outputs:
    amount_in = integer(inputs, "amount_in")
    swap = amm_v4.exact_in(_v4_pool(inputs), amount_in, direction_of(inputs))
    return {
        "amount_in": swap.amount_in,
        "amount_in_after_fee": swap.net_in,
        "amount_out": swap.amount_out,
        "swap_fee": swap.swap_fee,
    }


def _v4_base_out(inputs: Inputs, _: Collection[str]) -> Outputs:
    amount_out = integer(inputs, "amount_out")
    swap = amm_v4.exact_out(_v4_pool(inputs), amount_out, direction_of(inputs))
    return {
        "amount_in": swap.amount_in,
        "amount_in_before_fee": swap.net_in,
        "amount_out": swap.amount_out,
        "swap_fee": swap.swap_fee,
    }


def _dlmm_price(inputs: Inputs, _: Collection[str]) -> Outputs:
    price = bin_price(integer(inputs, "bin_id", "id"), integer(inputs, "bin_step"))
    return {"price_q64_64": price, "price_x64": price}


def _static(inputs: Inputs) -> StaticParameters:
    return StaticParameters(
        base_factor=integer(inputs, "base_factor", default=0),
        variable_fee_control=integer(inputs, "variable_fee_control", default=0),
        max_volatility_accumulator=integer(inputs, "max_volatility_accumulator", default=0),
        filter_period_s=integer(inputs, "filter_period", default=0),
        decay_period_s=integer(inputs, "decay_period", default=0),
        reduction_factor_bps=integer(inputs, "reduction_factor", default=0),
        protocol_share_bps=integer(inputs, "protocol_share_bps", "protocol_share", default=0),
        base_fee_power_factor=integer(inputs, "base_fee_power_factor", default=0),
        collect_fee_mode=CollectFeeMode(integer(inputs, "collect_fee_mode", default=0)),
    )


def _dlmm_fee(inputs: Inputs, fields: Collection[str]) -> Outputs:
    parameters, bin_step = _static(inputs), integer(inputs, "bin_step")
    accumulator = integer(inputs, "volatility_accumulator", default=0)
    rate = total_fee_rate(parameters, bin_step, accumulator)
    outputs = {
        "base_fee_rate_1e9": base_fee_rate(parameters, bin_step),
        "variable_fee_rate_1e9": variable_fee_rate(parameters, bin_step, accumulator),
        "total_fee_rate_1e9": rate,
    }
    for field in fields:
        if asked := re.fullmatch(r"compute_fee\((\d+)\)", field):
            outputs[field] = fee_on_top(int(asked[1]), rate)
        if asked := re.fullmatch(r"compute_fee_from_amount\((\d+)\)", field):
            outputs[field] = fee_within(int(asked[1]), rate)
    return outputs


def _dlmm_pool(inputs: Inputs) -> dlmm.DlmmPool:
    active_id, moved = integer(inputs, "active_id"), inputs.get("v_parameters", {})
    bins = (
        dlmm.DlmmBin(
            id=integer(bin_, "id", "bin_id"),
            amount_x=integer(bin_, "amount_x", default=0),
            amount_y=integer(bin_, "amount_y", default=0),
        )
        for bin_ in inputs["bins"]
    )
    return dlmm.DlmmPool(
        bin_step=integer(inputs, "bin_step"),
        active_id=active_id,
        parameters=_static(inputs["parameters"]),
        volatility=VariableParameters(
            volatility_accumulator=integer(moved, "volatility_accumulator", default=0),
            volatility_reference=integer(moved, "volatility_reference", default=0),
            index_reference=integer(moved, "index_reference", default=active_id),
            last_update_timestamp=integer(moved, "last_update_timestamp", default=0),
        ),
        bins=tuple(sorted(bins, key=lambda bin_: bin_.id)),
    )


def _dlmm_outputs(swap: dlmm.DlmmSwap, inputs: Inputs, fields: Collection[str]) -> Outputs:
    outputs = {
        "amount_in": swap.amount_in,
        "consumed_in": swap.amount_in,
        "amount_out": swap.amount_out,
        "lp_fee": swap.lp_fee,
        "protocol_fee": swap.protocol_fee,
        "end_active_id": swap.pool.active_id,
    }
    for field in fields:
        if asked := re.fullmatch(r"(min_out|max_in)(?:_(\d+)bps)?", field):
            bps = int(asked[2]) if asked[2] else integer(inputs, "slippage_bps")
            side, amount = Side.SELL, swap.amount_out
            if asked[1] == "max_in":
                side, amount = Side.BUY, swap.amount_in
            outputs[field] = limit_amount(side, amount, bps)
    return outputs


def _dlmm_exact_in(inputs: Inputs, fields: Collection[str]) -> Outputs:
    pool, amount_in = _dlmm_pool(inputs), integer(inputs, "amount_in")
    now_s = integer(inputs, "now_timestamp", default=pool.volatility.last_update_timestamp)
    return _dlmm_outputs(
        dlmm.exact_in(pool, amount_in, direction_of(inputs), now_s), inputs, fields
    )


def _dlmm_exact_out(inputs: Inputs, fields: Collection[str]) -> Outputs:
    pool, amount_out = _dlmm_pool(inputs), integer(inputs, "amount_out")
    now_s = integer(inputs, "now_timestamp", default=pool.volatility.last_update_timestamp)
    swap = dlmm.exact_out(pool, amount_out, direction_of(inputs), now_s)
    surplus = swap.gross_out - swap.amount_out if swap.fee_on_input else 0
    return {**_dlmm_outputs(swap, inputs, fields), SURPLUS: surplus}


EVALUATORS: Mapping[tuple[str, str], Evaluator] = {
    ("raydium_cpmm", "swap_without_fees"): _curve,
    ("raydium_cpmm", "swap_base_input"): _cpmm_base_input,
    ("raydium_cpmm", "swap_base_output"): _cpmm_base_output,
    ("raydium_amm_v4", "swap_without_fees"): _curve,
    ("raydium_amm_v4", "swap_base_in"): _v4_base_in,
    ("raydium_amm_v4", "swap_base_out"): _v4_base_out,
    ("meteora_dlmm", "bin_price"): _dlmm_price,
    ("meteora_dlmm", "fee"): _dlmm_fee,
    ("meteora_dlmm", "swap_exact_in"): _dlmm_exact_in,
    ("meteora_dlmm", "swap_exact_out"): _dlmm_exact_out,
}
