"""What the pool maths refuses, and why."""


class AmmError(ValueError):
    """The base of everything that the pool maths refuses."""


class InsufficientLiquidity(AmmError):
    """The pool cannot pay what is asked, or cannot take all that is offered.

    A smaller amount may succeed; the same amount on the same pool never does.
    """


class AmountOutOfRange(AmmError):
    """An amount, a rate or an id lies outside the range that the programs accept."""
