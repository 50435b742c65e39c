"""The live network: what is signed for it, sent to it, looked up in it, and proved by it.

assembly.py  puts the parts together     network.py   the port's methods
signing.py   the order of the questions  blocks.py    the block that is signed for
plans.py     pool and limit of each leg  funds.py     what the wallet has left
simulation.py what a simulation means    statuses.py  one look for all open signatures
landing.py   what a transaction did      fills.py     the fees of its pools
errors.py    errors by program and code  expiry.py    the proof that one can land no more
finality.py  a second look               watch.py     nodes and wallet, and whose it is
tokens.py    mints and pools by address  parallel.py  many requests at once
strangers.py who else uses the wallet
"""
