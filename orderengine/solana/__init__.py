"""Solana's wire: the node's JSON-RPC, keys and messages, accounts, and the programs of the pools.

It is loaded only where the network is Solana: `solders` and `urllib3` are optional requirements.
"""
