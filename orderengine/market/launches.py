"""Launches: instruments whose pools open anew every ten minutes, and then gain liquidity."""

import functools

from orderengine.market.draws import draw

EPOCHS = 30
"""The epochs of one launch, of 20 s each."""

_FIRST, _LAST = 3, 15
_FIRST_PERCENT = 10
_STEP_PERCENT = 10
_STEP_US = 10_000_000


@functools.lru_cache(maxsize=1024)
def opening_epoch(seed: int, symbol: str, epoch: int) -> int:
    """The epoch with which the pools of an epoch's launch open: one to five minutes into it."""
    launch = epoch // EPOCHS
    return launch * EPOCHS + draw(_FIRST, _LAST, seed, "launch", symbol, launch)


def percent_of_depth(open_for_us: int) -> int:
    """The share of the instrument's depth that a pool holds, by how long it has been open.

    10 % at the opening, and 10 % more every ten seconds, up to 100 %.
    """
    return min(100, _FIRST_PERCENT + _STEP_PERCENT * (open_for_us // _STEP_US))
