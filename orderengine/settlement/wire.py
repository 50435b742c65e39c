"""The bytes of a signed swap, and its signature."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from orderengine.domain.fill import SignedTransaction
from orderengine.domain.side import Asset, Side
from orderengine.execution.network import InvalidTransaction, Swap, SwapLeg

_DOMAIN = b"orderengine simulated network\x00"
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class SignedSwap:
    """A swap read from its bytes; it may land up to block `last_valid_height`."""

    signature: str
    swap: Swap
    last_valid_height: int


def sign(swap: Swap, last_valid_height: int, nonce: str) -> SignedTransaction:
    """Encode a swap as bytes and sign them; the nonce makes every signature unique."""
    document = {
        "orderId": str(swap.order_id),
        "attempt": swap.attempt,
        "symbol": swap.symbol,
        "side": swap.side.value,
        "legs": legs_document(swap.legs, swap.exact),
        "limitAmount": str(swap.limit_amount),
        "lastValidHeight": last_valid_height,
        "nonce": nonce,
    }
    payload = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    return SignedTransaction(_signature(payload), payload, last_valid_height)


def read(transaction: SignedTransaction) -> SignedSwap:
    """Verify the signature and read the bytes, which alone define the swap.

    Raises InvalidTransaction.
    """
    if _signature(transaction.payload) != transaction.signature:
        raise InvalidTransaction("the signature does not belong to the bytes")
    try:
        document = json.loads(transaction.payload)
        # Bytes signed by a release without legs may still be in flight: they name one pool.
        legs = document.get("legs", [document])
        swap = Swap(
            order_id=UUID(document["orderId"]),
            attempt=document["attempt"],
            symbol=document["symbol"],
            side=Side(document["side"]),
            legs=legs_from(legs),
            limit_amount=int(document["limitAmount"]),
            exact=exact_in(legs),
        )
        return SignedSwap(transaction.signature, swap, document["lastValidHeight"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidTransaction("the bytes are no swap") from error


def legs_document(legs: Sequence[SwapLeg], exact: Asset = Asset.BASE) -> list[dict[str, str]]:
    """The legs of a swap as JSON; `legs_from` and `exact_in` read them back."""
    write = _leg_document if exact is Asset.BASE else _leg_in_usdc_document
    return [write(leg) for leg in legs]


def legs_from(documents: Sequence[Mapping[str, str]]) -> tuple[SwapLeg, ...]:
    """Read the legs of `legs_document`'s form."""
    return tuple(_leg_from(document) for document in documents)


def exact_in(documents: Sequence[Mapping[str, str]]) -> Asset:
    """The asset whose amounts the legs name; raises ValueError if they name different ones."""
    in_usdc = sum("quoteAmount" in document for document in documents)
    if in_usdc not in {0, len(documents)}:
        raise ValueError("the legs name amounts of two assets")
    return Asset.QUOTE if in_usdc else Asset.BASE


def _leg_document(leg: SwapLeg) -> dict[str, str]:
    document = {"venue": leg.venue, "pool": leg.pool}
    if leg.base_decimals is None:
        return {**document, "baseAmount": str(leg.amount)}
    # The amount has another key here, so that an earlier release, which ignores `decimals`, fails
    # to read the swap and leaves it to this release, instead of settling another amount.
    return {**document, "amount": str(leg.amount), "decimals": str(leg.base_decimals)}


def _leg_in_usdc_document(leg: SwapLeg) -> dict[str, str]:
    # An earlier release does not know this key either.
    document = {"venue": leg.venue, "pool": leg.pool, "quoteAmount": str(leg.amount)}
    if leg.base_decimals is None:
        return document
    return {**document, "decimals": str(leg.base_decimals)}


def _leg_from(document: Mapping[str, str]) -> SwapLeg:
    venue, pool, decimals = document["venue"], document["pool"], document.get("decimals")
    amount = document.get("quoteAmount")
    if amount is None:
        amount = document["baseAmount" if decimals is None else "amount"]
    return SwapLeg(venue, pool, int(amount), None if decimals is None else int(decimals))


def base58(data: bytes) -> str:
    """Base58 as in Bitcoin and Solana; a leading zero byte becomes a leading `1`."""
    number = int.from_bytes(data, "big")
    digits = ""
    while number:
        number, digit = divmod(number, 58)
        digits = _BASE58[digit] + digits
    return "1" * (len(data) - len(data.lstrip(b"\x00"))) + digits


def _signature(payload: bytes) -> str:
    # Stands in for ed25519, with the same 64 bytes: it ties a signature to its bytes. Anybody could
    # sign, but only this engine writes to the simulated network.
    return base58(hashlib.sha512(_DOMAIN + payload).digest())
