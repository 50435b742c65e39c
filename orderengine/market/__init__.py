"""The simulated market: a pure function of (seed, symbol, time), equal in every process.

- ``simulation``: the settings of the simulated market, venues and network.
- ``draws``: numbers derived from a hash.
- ``reference``: the wandering reference price.
- ``launches``: pools that open anew every ten minutes, and gain liquidity.
- ``venues``: one record for each simulated venue.
- ``pools``, ``bins``: the venues' pools around that price.
- ``liquidity``: prices and limits of one side of a pool, for any size; ``curve_liquidity`` and
  ``bin_liquidity`` by the kind of its pool.
- ``swaps``: a computed swap as prices and amounts.
"""
