"""Meteora DLMM: the fee rate, and the volatility that moves it."""

import enum
from dataclasses import dataclass, replace

from orderengine.amm.dlmm_price import BASIS_POINTS
from orderengine.amm.integers import ceil_div, require_range

FEE_PRECISION = 10**9
MAX_FEE_RATE = 10**8
VARIABLE_FEE_SCALE = 10**11

_U8_MAX = 2**8 - 1
_U16_MAX = 2**16 - 1
_U32_MAX = 2**32 - 1


class CollectFeeMode(enum.Enum):
    """The token in which a pool takes its fee; the values are the program's.

    Source: MeteoraAg/dlmm-sdk `CollectFeeMode`.
    """

    INPUT_ONLY = 0
    ONLY_Y = 1


@dataclass(frozen=True, slots=True)
class StaticParameters:
    """The parameters with which a pool was created.

    Factors are the program's plain integers, periods are seconds, shares and the reduction factor
    are basis points, at most 10000. Raises AmountOutOfRange for a value outside the program's type.
    Source: MeteoraAg/dlmm-sdk `StaticParameters`.
    """

    base_factor: int
    variable_fee_control: int
    max_volatility_accumulator: int
    filter_period_s: int
    decay_period_s: int
    reduction_factor_bps: int
    protocol_share_bps: int
    base_fee_power_factor: int = 0
    collect_fee_mode: CollectFeeMode = CollectFeeMode.INPUT_ONLY

    def __post_init__(self) -> None:
        for name, high in (
            ("base_factor", _U16_MAX),
            ("variable_fee_control", _U32_MAX),
            ("max_volatility_accumulator", _U32_MAX),
            ("filter_period_s", _U16_MAX),
            ("decay_period_s", _U16_MAX),
            ("reduction_factor_bps", BASIS_POINTS),
            ("protocol_share_bps", BASIS_POINTS),
            ("base_fee_power_factor", _U8_MAX),
        ):
            require_range(name, getattr(self, name), 0, high)


@dataclass(frozen=True, slots=True)
class VariableParameters:
    """The recent volatility of a pool.

    The accumulator and its reference count bins in units of 1/10000, `index_reference` is a bin
    id, `last_update_timestamp` is in seconds since 1970.
    Raises AmountOutOfRange for a volatility outside 0 to 2^32 - 1.
    Source: MeteoraAg/dlmm-sdk `VariableParameters`.
    """

    volatility_accumulator: int = 0
    volatility_reference: int = 0
    index_reference: int = 0
    last_update_timestamp: int = 0

    def __post_init__(self) -> None:
        require_range("volatility_accumulator", self.volatility_accumulator, 0, _U32_MAX)
        require_range("volatility_reference", self.volatility_reference, 0, _U32_MAX)


def base_fee_rate(parameters: StaticParameters, bin_step: int) -> int:
    """The constant part of the fee rate, per 1e9.

    Source: MeteoraAg/dlmm-sdk `LbPair::get_base_fee`.
    """
    scale: int = 10**parameters.base_fee_power_factor
    return parameters.base_factor * bin_step * 10 * scale


def variable_fee_rate(parameters: StaticParameters, bin_step: int, accumulator: int) -> int:
    """The part of the fee rate that grows with the square of the volatility, per 1e9, rounded up.

    Source: MeteoraAg/dlmm-sdk `LbPair::compute_variable_fee`.
    """
    moved = accumulator * bin_step
    return ceil_div(parameters.variable_fee_control * moved * moved, VARIABLE_FEE_SCALE)


def total_fee_rate(parameters: StaticParameters, bin_step: int, accumulator: int) -> int:
    """The rate that a bin charges, per 1e9: both parts, at most 1e8.

    Source: MeteoraAg/dlmm-sdk `LbPair::get_total_fee`.
    """
    rate = base_fee_rate(parameters, bin_step)
    rate += variable_fee_rate(parameters, bin_step, accumulator)
    return min(rate, MAX_FEE_RATE)


def fee_within(gross: int, rate: int) -> int:
    """The fee included in an amount, rounded up.

    Base units, `gross` at least 0; `rate` per 1e9.
    Source: MeteoraAg/dlmm-sdk `LbPair::compute_fee_from_amount`.
    """
    return ceil_div(gross * rate, FEE_PRECISION)


def fee_on_top(net: int, rate: int) -> int:
    """The fee to add to an amount so that the amount is left after the fee, rounded up.

    Base units, `net` at least 0; `rate` per 1e9 and below 1e9.
    Source: MeteoraAg/dlmm-sdk `LbPair::compute_fee`.
    """
    return ceil_div(net * rate, FEE_PRECISION - rate)


def with_references(
    volatility: VariableParameters, parameters: StaticParameters, active_id: int, now_s: int
) -> VariableParameters:
    """Moves the references to the start of a swap at `now_s` (seconds since 1970).

    Within the filter period nothing moves; within the decay period a part of the accumulated
    volatility is kept; after it, none. The accumulator and the timestamp stay as they were.
    Source: MeteoraAg/dlmm-sdk `LbPair::update_references`.
    """
    elapsed_s = now_s - volatility.last_update_timestamp
    if elapsed_s < parameters.filter_period_s:
        return volatility
    kept = 0
    if elapsed_s < parameters.decay_period_s:
        kept = volatility.volatility_accumulator * parameters.reduction_factor_bps // BASIS_POINTS
    return replace(volatility, index_reference=active_id, volatility_reference=kept)


def accumulator_at(
    volatility: VariableParameters, parameters: StaticParameters, bin_id: int
) -> int:
    """The volatility accumulator of a swap that has reached a bin.

    Source: MeteoraAg/dlmm-sdk `LbPair::update_volatility_accumulator`.
    """
    crossed = abs(volatility.index_reference - bin_id)
    accumulated = volatility.volatility_reference + crossed * BASIS_POINTS
    return min(accumulated, parameters.max_volatility_accumulator)
