"""The JSON-RPC methods of the node, by what they are about.

Source: the pages of solana.com/docs/rpc/http, and anza-xyz/agave `rpc/src/rpc.rs` for what they
leave out.
"""
