"""The layouts of the programs' accounts, as their IDLs list the fields, and an encoder of its own.

Nothing here is the product's: the golden bytes of its decoders are made from these lists, and so
are the pools that the real programs trade. Sources: raydium-io/raydium-cp-swap 0.2.0,
raydium-io/raydium-amm 0.3.1, MeteoraAg/dlmm-sdk 0.12.0 (`idls/dlmm.json`), solana-program/token,
openbook-dex/program, and this project's localnet program.
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
HELD_TOKENS = """
    mint key, owner key, amount u64, has_delegate u32, delegate key, state u8, is_native u32,
    native u64, delegated_amount u64, has_close u32, close_authority key
"""
CPMM_OBSERVATION = (
    "initialized u8, observation_index u16, pool_id key, observations 4000, padding 32"
)
AMM_V4_POOL = """
    status u64, nonce u64, order_num u64, depth u64, coin_decimals u64, pc_decimals u64, state u64,
    reset_flag u64, min_size u64, vol_max_cut_ratio u64, amount_wave u64, coin_lot_size u64,
    pc_lot_size u64, min_price_multiplier u64, max_price_multiplier u64, sys_decimal_value u64,
    min_separate_numerator u64, min_separate_denominator u64, trade_fee_numerator u64,
    trade_fee_denominator u64, pnl_numerator u64, pnl_denominator u64, swap_fee_numerator u64,
    swap_fee_denominator u64, need_take_pnl_coin u64, need_take_pnl_pc u64, total_pnl_pc u64,
    total_pnl_coin u64, pool_open_time u64, padding 16, orderbook_to_init_time u64,
    swap_coin_in_amount u128, swap_pc_out_amount u128, swap_acc_pc_fee u64,
    swap_pc_in_amount u128, swap_coin_out_amount u128, swap_acc_coin_fee u64, coin_vault key,
    pc_vault key, coin_vault_mint key, pc_vault_mint key, lp_mint key, open_orders key, market key,
    market_program key, target_orders key, padding1 64, amm_owner key, lp_amount u64,
    client_order_id u64, recent_epoch u64, padding2 u64
"""
OPEN_ORDERS = """
    head 5, account_flags u64, market key, owner key, native_coin_free u64, native_coin_total u64,
    native_pc_free u64, native_pc_total u64, free_slot_bits u128, is_bid_bits u128, orders 2048,
    client_order_ids 1024, referrer_rebates_accrued u64, tail 7
"""
DLMM_PAIR = """
    base_factor u16, filter_period u16, decay_period u16, reduction_factor u16,
    variable_fee_control u32, max_volatility_accumulator u32, min_bin_id i32, max_bin_id i32,
    protocol_share u16, base_fee_power_factor u8, function_type u8, collect_fee_mode u8,
    _padding_p 3, volatility_accumulator u32, volatility_reference u32, index_reference i32,
    _padding_v 4, last_update_timestamp i64, _padding_v1 8, bump_seed u8, bin_step_seed u16,
    pair_type u8, active_id i32, bin_step u16, status u8, require_base_factor_seed u8,
    base_factor_seed u16, activation_type u8, creator_pool_on_off_control u8, token_x_mint key,
    token_y_mint key, reserve_x key, reserve_y key, protocol_fee_x u64, protocol_fee_y u64,
    _padding_1 32, reward_mint_0 key, reward_rest_0 112, reward_mint_1 key, reward_rest_1 112,
    oracle key, bin_array_bitmap 128, last_updated_at i64, _padding_2 32,
    pre_activation_swap_address key, base_key key, activation_point u64,
    pre_activation_duration u64, _padding_3 8, _padding_4 u64, creator key,
    token_mint_x_program_flag u8, token_mint_y_program_flag u8, version u8, _reserved 21
"""
DLMM_ARRAY_HEAD = "index i64, version u8, _padding_1 7, lb_pair key"
DLMM_BIN = """
    amount_x u64, amount_y u64, price u128, liquidity_supply u128, fulfilled_order_amount_x u64,
    fulfilled_order_amount_y u64, limit_order_fee_ask_side u64, limit_order_fee_bid_side u64,
    fee_amount_x_per_token_stored u128, fee_amount_y_per_token_stored u128, open_order_amount u64,
    total_processing_order_amount u64, processed_order_remaining_amount u64, order_age u32,
    limit_order_ask_side u8, _padding_1 3
"""
DLMM_BITMAP_EXTENSION = "lb_pair key, positive 768, negative 768"
DLMM_ORACLE = "idx u64, active_size u64, length u64, observations 3200"
LOCALNET_POOL = """
    magic 8, bump u8, status u8, zeros 6, base_mint key, usdc_mint key, base_vault key,
    usdc_vault key, fee_rate u64, open_time i64, reserved 32
"""


def encode(layout: str, values: Mapping[str, Any], discriminator: bytes = b"") -> bytes:
    """The bytes of an account; fields without a value are zero. Raises ValueError for others."""
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
    if left:
        raise ValueError(f"{sorted(left)} are no fields")
    return b"".join(parts)


def anchor(kind: str, name: str) -> bytes:
    """Anchor's discriminator of an account (`account`) or an instruction (`global`)."""
    return hashlib.sha256(f"{kind}:{name}".encode()).digest()[:8]


def key(number: int) -> Pubkey:
    """An address that is easy to tell from others."""
    return Pubkey.from_bytes(bytes([number]) * 32)
