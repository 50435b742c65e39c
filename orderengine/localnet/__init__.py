"""A Solana-like node on this machine: a bank, JSON-RPC over HTTP, mints, wallets, and pools.

`make run NETWORK=localnet` starts it; nothing of the engine imports it.
"""
