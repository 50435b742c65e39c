"""What a localnet trades: mints, two pools for each instrument, and a funded wallet.

Accounts are written directly, not by transactions. Addresses follow from names, so that they are
the same on every localnet; the wallet's key is each localnet's own.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from solders.account import Account
from solders.pubkey import Pubkey

from orderengine.domain.instruments import Instrument, TokenProgram
from orderengine.domain.pricing import USDC_DECIMALS
from orderengine.localnet.accounts import mint_bytes, scaled_mint_bytes, token_bytes
from orderengine.localnet.bank import Bank
from orderengine.localnet.node import LocalNode
from orderengine.solana.accounts import (
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAM,
    WRAPPED_SOL,
    associated_token_address,
)
from orderengine.solana.pools.localnet import PROGRAM_ID, authority_of, encode
from orderengine.solana.pools.pool import Pair

PROGRAMS = {
    TokenProgram.TOKEN: TOKEN_PROGRAM,
    TokenProgram.TOKEN_2022: TOKEN_2022_PROGRAM,
}
UI_MULTIPLIER = 1.0025
"""The tokenized stocks' scaled UI amount: more than 1, as after dividends."""
WALLET_USDC = 1_000_000_000
WALLET_LAMPORTS = 500_000 * 10**9
_STOCK = "(tokenized)"
_SYSTEM = Pubkey.default()


@dataclass(frozen=True, slots=True)
class PoolTerms:
    """A venue's pools: their depth as a share of the instrument's, and their fee per 1e6."""

    depth: Decimal
    fee_rate: int


# Small orders are cheaper at the second, large ones at the first, and those between are split.
VENUES: Mapping[str, PoolTerms] = {
    "raydium": PoolTerms(Decimal(1), 2_500),
    "meteora": PoolTerms(Decimal("0.6"), 2_000),
}


def _address(name: str) -> Pubkey:
    return Pubkey.from_bytes(hashlib.sha256(f"orderengine localnet {name}".encode()).digest())


USDC_MINT = _address("mint USDC")


def listed(instrument: Instrument) -> Instrument:
    """The instrument with the addresses of its mint and its pools on every localnet."""
    symbol = instrument.symbol
    is_stock = _STOCK in instrument.name
    return replace(
        instrument,
        mint=str(WRAPPED_SOL if symbol == "SOL" else _address(f"mint {symbol}")),
        token_program=TokenProgram.TOKEN_2022 if is_stock else TokenProgram.TOKEN,
        pools={venue: str(_address(f"pool {venue} {symbol}")) for venue in VENUES},
    )


def set_up(node: LocalNode, instruments: Iterable[Instrument], wallet: Pubkey) -> None:
    """Create what is missing of these instruments, and what the wallet has never had."""
    with node.lock, node.store.whole():
        bank = node.bank
        _create_mint(bank, USDC_MINT, USDC_DECIMALS, TokenProgram.TOKEN)
        if not bank.exists(wallet):
            bank.put(wallet, Account(WALLET_LAMPORTS, b"", _SYSTEM))
        _give(bank, wallet, USDC_MINT, WALLET_USDC * 10**USDC_DECIMALS, TOKEN_PROGRAM)
        for instrument in map(listed, instruments):
            mint = Pubkey.from_string(instrument.mint or "")
            _create_mint(bank, mint, instrument.decimals, instrument.token_program)
            for venue, address in instrument.pools.items():
                if not bank.exists(Pubkey.from_string(address)):
                    _create_pool(bank, instrument, venue)
            most = instrument.base_units(instrument.max_quantity)
            if mint != WRAPPED_SOL:
                _give(bank, wallet, mint, most, PROGRAMS[instrument.token_program])


def fund(
    bank: Bank, owner: Pubkey, mint: Pubkey, units: int, program: Pubkey = TOKEN_PROGRAM
) -> Pubkey:
    """Let the owner's own account of a mint hold so many base units; returns its address."""
    address = associated_token_address(owner, mint, program)
    _hold(bank, address, mint, owner, units, program)
    return address


def put_pool(
    bank: Bank, instrument: Instrument, venue: str, *, fee_rate: int, open_s: int = 0
) -> None:
    """Write the account of a venue's pool; before `open_s` (seconds since 1970) it is closed."""
    pool = Pubkey.from_string(instrument.pools[venue])
    pair = Pair(Pubkey.from_string(instrument.mint or ""), USDC_MINT)
    _, bump = authority_of(pool)
    data = encode(bump, pair, vaults_of(pool), fee_rate, open_s)
    bank.put(pool, Account(bank.rent(len(data)), data, PROGRAM_ID))


def fill_pool(bank: Bank, instrument: Instrument, venue: str, base: int, usdc: int) -> None:
    """Let a venue's pool hold so many base units of both tokens."""
    pool = Pubkey.from_string(instrument.pools[venue])
    authority, _ = authority_of(pool)
    base_vault, usdc_vault = vaults_of(pool)
    mint, program = Pubkey.from_string(instrument.mint or ""), PROGRAMS[instrument.token_program]
    _hold(bank, base_vault, mint, authority, base, program)
    _hold(bank, usdc_vault, USDC_MINT, authority, usdc, TOKEN_PROGRAM)


def vaults_of(pool: Pubkey) -> tuple[Pubkey, Pubkey]:
    """The vaults of a pool: the base asset's and USDC's."""
    return _address(f"base vault {pool}"), _address(f"USDC vault {pool}")


def _give(bank: Bank, wallet: Pubkey, mint: Pubkey, units: int, program: Pubkey) -> None:
    if not bank.exists(associated_token_address(wallet, mint, program)):
        fund(bank, wallet, mint, units, program)


def _create_pool(bank: Bank, instrument: Instrument, venue: str) -> None:
    terms = VENUES[venue]
    depth = instrument.depth * terms.depth
    base = int((depth / instrument.reference_price).scaleb(instrument.decimals))
    put_pool(bank, instrument, venue, fee_rate=terms.fee_rate)
    fill_pool(bank, instrument, venue, base, int(depth.scaleb(USDC_DECIMALS)))


def _create_mint(bank: Bank, mint: Pubkey, decimals: int, program: TokenProgram) -> None:
    if bank.exists(mint):
        return
    if program is TokenProgram.TOKEN_2022:
        data = scaled_mint_bytes(decimals, UI_MULTIPLIER)
    else:
        data = mint_bytes(decimals)
    bank.put(mint, Account(bank.rent(len(data)), data, PROGRAMS[program]))


def _hold(
    bank: Bank, address: Pubkey, mint: Pubkey, owner: Pubkey, units: int, program: Pubkey
) -> None:
    reserve = None
    lamports = bank.rent(len(token_bytes(mint, owner, units, program)))
    if mint == WRAPPED_SOL:
        reserve, lamports = lamports, lamports + units
    data = token_bytes(mint, owner, units, program, native_reserve=reserve)
    bank.put(address, Account(lamports, data, program))
