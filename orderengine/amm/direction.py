"""The direction of a swap, in the same terms for all venues."""

import enum


class Direction(enum.Enum):
    """The side of the pool that receives the input, and the side that pays the output.

    X is token 0 of a Raydium CPMM pool, the coin of an AMM v4 pool and token X of a Meteora
    DLMM pool; Y is token 1, the pc and token Y. A price is always Y per X.
    """

    X_TO_Y = "x_to_y"
    Y_TO_X = "y_to_x"
