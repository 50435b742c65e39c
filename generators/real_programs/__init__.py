"""Orders against the real programs of the venues, in LiteSVM: every amount to the base unit.

    python -m generators.real_programs --cpmm FILE --amm-v4 FILE --dlmm FILE --orders 1000

The programs' binaries are public, and no part of this repository; docs/live.md names those that
were run, with their hashes.
"""
