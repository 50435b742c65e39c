"""What a landed transaction did: its amounts in each pool, what it cost, or its error.

Amounts are the changes of the pools' own token accounts, not what programs log, and not the
wallet's: an account that is made and closed in one transaction is on neither side of its balances.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from solders.pubkey import Pubkey

from orderengine.settlement.solana.errors import ChainError, chain_error
from orderengine.solana.pools import amm_v4, cpmm, dlmm, localnet
from orderengine.solana.rpc_errors import RpcUnavailable
from orderengine.solana.transactions import SIGNATURE_LAMPORTS

_METHOD = "getTransaction"

POOL_AT: Final[Mapping[str, int]] = {
    **{str(each): 3 for each in (*cpmm.PROGRAM_IDS, *localnet.PROGRAM_IDS)},
    **{str(each): 1 for each in amm_v4.PROGRAM_IDS},
    **{str(each): 0 for each in dlmm.PROGRAM_IDS},
}
"""Where the pool stands among the accounts of a swap instruction, by its program."""

_MORE_THAN_ANY = 2**64
_SHAPE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Holding:
    """A token account around a transaction: mint, owner, and base units before and after."""

    mint: str
    owner: str
    before: int
    after: int

    @property
    def change(self) -> int:
        """What the transaction added."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class LandedLeg:
    """One swap: its program and pool, and the pool's two token accounts around it."""

    program: str
    pool: str
    base: Holding
    usdc: Holding


@dataclass(frozen=True, slots=True)
class Landed:
    """A landed transaction; fees and rent are in lamports."""

    slot: int
    landed_at: datetime
    error: ChainError | None
    legs: tuple[LandedLeg, ...]
    fee: int
    priority_fee: int
    rent: int


def read_landed(document: Mapping[str, Any], wallet: Pubkey, usdc: Pubkey, now: datetime) -> Landed:
    """Read a transaction as `getTransaction` tells it; raises RpcUnavailable for another form.

    `now` is its time if the node does not know the time of its block.
    """
    try:
        return _read(document, str(wallet), str(usdc), now)
    except _SHAPE as error:
        detail = f"the answer has another form ({type(error).__name__}: {error})"
        raise RpcUnavailable(_METHOD, "useless", detail) from None


def _read(document: Mapping[str, Any], wallet: str, usdc: str, now: datetime) -> Landed:
    meta, message = document["meta"], document["transaction"]["message"]
    loaded = meta.get("loadedAddresses") or {}
    keys = [
        *message["accountKeys"],
        *loaded.get("writable", ()),
        *loaded.get("readonly", ()),
    ]
    instructions = message["instructions"]
    programs = [keys[each["programIdIndex"]] for each in instructions]
    error = None
    if meta["err"] is not None:
        error = chain_error(meta["err"], meta.get("logMessages") or (), programs)
    seconds = document.get("blockTime")
    fee = _units(meta["fee"])
    base_fee = min(fee, SIGNATURE_LAMPORTS * len(document["transaction"]["signatures"]))
    holdings = _holdings(meta, keys)
    legs = () if error else tuple(_legs(instructions, keys, holdings, wallet, usdc))
    if not error and not legs:
        raise ValueError("no swap")
    return Landed(
        slot=_units(document["slot"]),
        landed_at=now if seconds is None else datetime.fromtimestamp(int(seconds), UTC),
        error=error,
        legs=legs,
        fee=base_fee,
        priority_fee=fee - base_fee,
        rent=_rent(meta, keys, holdings, wallet),
    )


def _holdings(meta: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Holding]:
    """The token accounts by address; one that is made or closed has 0 on the other side."""
    before, after = (
        {keys[each["accountIndex"]]: each for each in meta[side]}
        for side in ("preTokenBalances", "postTokenBalances")
    )
    return {
        key: Holding(
            mint=(either := after.get(key) or before[key])["mint"],
            owner=either["owner"],
            before=_amount(before.get(key)),
            after=_amount(after.get(key)),
        )
        for key in {**before, **after}
    }


def _amount(balance: Mapping[str, Any] | None) -> int:
    return 0 if balance is None else _units(balance["uiTokenAmount"]["amount"])


def _units(value: Any) -> int:
    """An amount, as a number or a text."""
    units = int(value)
    if not 0 <= units < _MORE_THAN_ANY:
        raise ValueError("no amount")
    return units


def _legs(
    instructions: Sequence[Mapping[str, Any]],
    keys: Sequence[str],
    holdings: Mapping[str, Holding],
    wallet: str,
    usdc: str,
) -> Iterator[LandedLeg]:
    for each in instructions:
        program = keys[each["programIdIndex"]]
        if program not in POOL_AT:
            continue
        accounts = [keys[index] for index in each["accounts"]]
        traded = [
            holdings[key]
            for key in dict.fromkeys(accounts)
            if key in holdings and holdings[key].owner != wallet and holdings[key].change
        ]
        (in_usdc,) = (one for one in traded if one.mint == usdc)
        (in_base,) = (one for one in traded if one.mint != usdc)
        yield LandedLeg(program, accounts[POOL_AT[program]], in_base, in_usdc)


def _rent(
    meta: Mapping[str, Any], keys: Sequence[str], holdings: Mapping[str, Holding], wallet: str
) -> int:
    """What the transaction put into token accounts of the wallet that it made and left open."""
    lamports = zip(keys, meta["preBalances"], meta["postBalances"], strict=False)
    return sum(
        _units(after)
        for key, before, after in lamports
        if before == 0 and key in holdings and holdings[key].owner == wallet
    )
