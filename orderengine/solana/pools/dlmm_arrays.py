"""The bins of a Meteora DLMM pool: which arrays of bins exist, and what they hold.

Source: MeteoraAg/dlmm-sdk, program 0.12.0 (fb02e51), `idls/dlmm.json`: `BinArray`, `Bin` and
`BinArrayBitmapExtension`; `commons/src/extensions/` for the order of the bitmaps.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Final

from solders.pubkey import Pubkey

from orderengine.amm.dlmm import DlmmBin
from orderengine.solana.pools.pool import Accounts, key_at, owned_account
from orderengine.solana.refusals import AccountRefused

BINS_PER_ARRAY: Final = 70
ARRAY_LENGTH: Final = 10_136
EXTENSION_LENGTH: Final = 1_576
ARRAY_DISCRIMINATOR: Final = bytes.fromhex("5c8e5cdc059446b5")
EXTENSION_DISCRIMINATOR: Final = bytes.fromhex("506f7c7137ed1205")

ARRAY_SEED = b"bin_array"
EXTENSION_SEED = b"bitmap"

INTERNAL_ARRAYS = 512
"""How many arrays on each side of 0 the pool's own bitmap has."""
_EXTENSION_PARTS = 12
_EXTENSION_BITS = _EXTENSION_PARTS * INTERNAL_ARRAYS

_HEADER = struct.Struct("<8xqB7x32s")
_BIN = struct.Struct("<QQ96xQQQIB3x")
_BIN_LENGTH = 144


def array_of(bin_id: int) -> int:
    """The index of the array that has a bin."""
    return bin_id // BINS_PER_ARRAY


def is_beyond_own_bitmap(index: int) -> bool:
    """Whether an array is in the bitmap beside the pool's own."""
    return not -INTERNAL_ARRAYS <= index < INTERNAL_ARRAYS


def array_address(pool: Pubkey, program: Pubkey, index: int) -> Pubkey:
    """The address of a pool's array of bins."""
    seeds = [ARRAY_SEED, bytes(pool), struct.pack("<q", index)]
    return Pubkey.find_program_address(seeds, program)[0]


def extension_address(pool: Pubkey, program: Pubkey) -> Pubkey:
    """The address of the bitmap of arrays that are too far from 0 for the pool's own."""
    return Pubkey.find_program_address([EXTENSION_SEED, bytes(pool)], program)[0]


def indexes(bitmap: bytes, extension: bytes | None) -> list[int]:
    """The indexes of all arrays with liquidity, in ascending order.

    `bitmap` is the pool's own, `extension` the data of the account beside it.
    """
    found = [at - INTERNAL_ARRAYS for at in _bits(bitmap)]
    if extension is None:
        return found
    positive, negative = extension[40 : 40 + 768], extension[40 + 768 :]
    above = [INTERNAL_ARRAYS + at for at in _bits(positive)]
    below = [-INTERNAL_ARRAYS - 1 - at for at in _bits(negative)]
    return [*reversed(below), *found, *above]


def ahead(known: Sequence[int], active: int, count: int, *, falling: bool) -> list[int]:
    """The next arrays with liquidity, from that of the active bin on."""
    if falling:
        return [index for index in reversed(known) if index <= active][:count]
    return [index for index in known if index >= active][:count]


def extension_data(
    pool: Pubkey, address: Pubkey, accounts: Accounts, program: Pubkey
) -> bytes | None:
    """The bytes of the extension, None if the pool has none; raises AccountRefused."""
    if accounts.get(address) is None:
        return None
    owners = frozenset({program})
    account = owned_account(address, accounts, owners, EXTENSION_DISCRIMINATOR, EXTENSION_LENGTH)
    if key_at(account.data, 8) != pool:
        raise AccountRefused(f"the bitmap {address} belongs to another pool than {pool}")
    return account.data


def bins_of(
    pool: Pubkey,
    address: Pubkey,
    index: int,
    accounts: Accounts,
    program: Pubkey,
    *,
    with_orders: bool,
) -> list[DlmmBin]:
    """The bins of an array that hold anything, in ascending order; raises AccountRefused.

    Limit orders are left out unless `with_orders`: then the pool sells them too.
    """
    owners = frozenset({program})
    account = owned_account(address, accounts, owners, ARRAY_DISCRIMINATOR, ARRAY_LENGTH)
    told, _, owner = _HEADER.unpack_from(account.data)
    if told != index or Pubkey.from_bytes(owner) != pool:
        raise AccountRefused(f"the bins {address} are others than the pool {pool} needs")
    return list(_filled(account.data, index * BINS_PER_ARRAY, with_orders=with_orders))


def _filled(data: bytes, first_id: int, *, with_orders: bool) -> Iterator[DlmmBin]:
    for number in range(BINS_PER_ARRAY):
        offset = _HEADER.size + number * _BIN_LENGTH
        x, y, open_amount, _, processed, _, is_ask = _BIN.unpack_from(data, offset)
        orders = (processed, open_amount) if with_orders else (0, 0)
        if x or y or any(orders):
            orders_x, orders_y = (orders, (0, 0)) if is_ask else ((0, 0), orders)
            yield DlmmBin(first_id + number, x, y, orders_x, orders_y)


def _bits(bitmap: bytes) -> Iterator[int]:
    """The places of the bits that are set, in ascending order."""
    left = int.from_bytes(bitmap, "little")
    while left:
        lowest = left & -left
        yield lowest.bit_length() - 1
        left ^= lowest
