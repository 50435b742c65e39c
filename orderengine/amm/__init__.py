"""Integer pool maths of the venues, exact to the base unit.

One module per pool program, each with a frozen pool state, `exact_in` and `exact_out`; a computed
swap carries its fees by part and the pool to go on trading with. Nothing passes through a float.

    cpmm.py       Raydium CPMM              constant_product.py   the curve that both share
    amm_v4.py     Raydium AMM v4            direction.py          which way a swap goes
    dlmm.py       Meteora DLMM, the walk    errors.py             what is refused, and why
    dlmm_*.py     its bins, fees, prices    integers.py           rounding, bounds, fixed point
"""
