"""Measures the live path on the localnet against its limits: `python -m benchmarks.live`.

__main__.py  options, the parts in their order, the exit code
desk.py      a stack on a localnet, and one on the simulated network, side by side
speed.py     orders/s on both networks in the same rounds, and with a node that is far away
questions.py requests to the node: when nothing is to do, and while orders wait
"""
