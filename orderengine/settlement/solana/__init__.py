"""The live network: what is signed for it, sent to it, looked up in it, and proved by it.

network.py   the port's methods          statuses.py  one look for all open signatures
signing.py   limits, funds, simulation   landing.py   what a landed transaction did
funds.py     what the wallet has left    expiry.py    the proof that one can land no more
errors.py    errors by program and code  wallets.py   whose transactions are open
"""
