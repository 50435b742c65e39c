"""Refusals of the pool maths, and their reasons."""


class AmmError(ValueError):
    """The base class of all refusals of the pool maths."""


class InsufficientLiquidity(AmmError):
    """The pool cannot pay the output, or cannot take the whole input.

    A smaller amount may succeed; the same amount on the same pool never does.
    """


class PoolNotOpen(AmmError):
    """The pool does not trade yet."""


class AmountOutOfRange(AmmError):
    """An amount, a rate or an id lies outside the range that the programs accept."""
