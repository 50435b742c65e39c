"""The simulated market: a pure function of (seed, symbol, time), equal in every process.

- ``draws``: numbers derived from a hash.
- ``reference``: the price that wanders.
- ``pools``: the venues' pools around that price.
- ``swaps``: what a pool gives for one swap.
"""
