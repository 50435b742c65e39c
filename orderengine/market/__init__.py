"""The simulated market: a pure function of (seed, symbol, time), equal in every process.

- ``draws``: numbers derived from a hash.
- ``reference``: the price that wanders.
- ``pools``, ``bins``: the venues' pools around that price.
- ``liquidity``: what one side of a pool gives for any size, and at which margin.
- ``swaps``: a computed swap as prices and amounts.
"""
