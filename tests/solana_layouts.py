"""The layouts of the programs' accounts, as their IDLs list the fields, and an encoder of its own.

Nothing here is the product's: the goldens of its decoders are built from these lists. Sources:
raydium-io/raydium-cp-swap 0.2.0, solana-program/token, and this project's localnet program.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from solders.pubkey import Pubkey

TOKEN = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
TOKEN_2022 = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")

CPMM_POOL = """
    amm_config key, pool_creator key, token_0_vault key, token_1_vault key, lp_mint key,
    token_0_mint key, token_1_mint key, token_0_program key, token_1_program key,
    observation_key key, auth_bump u8, status u8, lp_mint_decimals u8, mint_0_decimals u8,
    mint_1_decimals u8, lp_supply u64, protocol_fees_token_0 u64, protocol_fees_token_1 u64,
    fund_fees_token_0 u64, fund_fees_token_1 u64, open_time u64, recent_epoch u64,
    creator_fee_on u8, enable_creator_fee u8, padding1 6, creator_fees_token_0 u64,
    creator_fees_token_1 u64, padding 224
"""
CPMM_CONFIG = """
    bump u8, disable_create_pool u8, index u16, trade_fee_rate u64, protocol_fee_rate u64,
    fund_fee_rate u64, create_pool_fee u64, protocol_owner key, fund_owner key,
    creator_fee_rate u64, padding 120
"""
MINT = """
    has_authority u32, mint_authority key, supply u64, decimals u8, is_initialized u8,
    has_freeze u32, freeze_authority key
"""
TOKEN_ACCOUNT = """
    mint key, owner key, amount u64, has_delegate u32, delegate key, state u8, is_native u32,
    native u64, delegated_amount u64, has_close u32, close_authority key
"""
LOCALNET_POOL = """
    magic 8, bump u8, status u8, zeros 6, base_mint key, usdc_mint key, base_vault key,
    usdc_vault key, fee_rate u64, open_time i64, reserved 32
"""


def encode(layout: str, values: Mapping[str, Any], discriminator: bytes = b"") -> bytes:
    """The bytes of an account; what `values` do not name is zero, and no other name is allowed."""
    left, parts = dict(values), [discriminator]
    for field in layout.split(","):
        name, kind = field.split()
        value = left.pop(name, 0)
        if kind == "key":
            parts.append(bytes(value) if value else bytes(32))
        elif kind[0] in "ui":
            size = int(kind[1:]) // 8
            parts.append(value.to_bytes(size, "little", signed=kind[0] == "i"))
        else:
            parts.append(value or bytes(int(kind)))
    assert not left, f"{sorted(left)} are no fields"
    return b"".join(parts)


def anchor(kind: str, name: str) -> bytes:
    """Anchor's discriminator of an account (`account`) or an instruction (`global`)."""
    return hashlib.sha256(f"{kind}:{name}".encode()).digest()[:8]


def key(number: int) -> Pubkey:
    """An address that is easy to tell from others."""
    return Pubkey.from_bytes(bytes([number]) * 32)
