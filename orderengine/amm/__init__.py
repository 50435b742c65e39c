"""Integer pool maths of the venues, exact to the base unit.

One module per pool program, each with a frozen pool state, `exact_in` and `exact_out`; a computed
swap holds its fees by part and the pool's state after it. No value is ever a float.

    cpmm.py       Raydium CPMM              constant_product.py   the curve that both share
    amm_v4.py     Raydium AMM v4            direction.py          the direction of a swap
    dlmm.py       Meteora DLMM, the walk    errors.py             refusals and their reasons
    dlmm_*.py     its bins, fees, prices    integers.py           rounding, bounds, fixed point
"""
