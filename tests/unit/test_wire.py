"""Signed bytes and their signatures."""

import json
from dataclasses import replace

import pytest

from orderengine.domain.fill import SignedTransaction
from orderengine.execution.network import InvalidTransaction, Swap
from orderengine.settlement import wire
from orderengine.settlement.wire import SignedSwap
from tests.simulations import a_split_swap, a_swap, in_usdc


@pytest.mark.parametrize(
    "swap", [a_swap(), a_split_swap(), in_usdc(a_swap()), in_usdc(a_split_swap())]
)
def test_signed_bytes_tell_the_whole_swap(swap: Swap) -> None:
    signed = wire.sign(swap, 420, "nonce")
    assert wire.read(signed) == SignedSwap(signed.signature, swap, 420)


def test_bytes_that_were_signed_before_there_were_legs_are_still_read() -> None:
    swap = a_swap()
    document = json.loads(wire.sign(swap, 420, "nonce").payload)
    payload = json.dumps({**document, **document.pop("legs")[0]}).encode()
    signed = SignedTransaction(wire._signature(payload), payload, 420)
    assert wire.read(signed).swap == swap


def test_no_earlier_release_takes_usdc_for_the_base_asset() -> None:
    document = json.loads(wire.sign(in_usdc(a_split_swap()), 420, "nonce").payload)
    for leg in document["legs"]:
        assert leg.keys() == {"venue", "pool", "quoteAmount"}


def test_the_bytes_of_an_amount_of_the_base_asset_are_those_of_the_release_before() -> None:
    document = json.loads(wire.sign(a_swap(), 420, "nonce").payload)
    assert document.keys() == {
        *("orderId", "attempt", "symbol", "side", "legs", "limitAmount", "lastValidHeight"),
        "nonce",
    }
    assert [leg.keys() for leg in document["legs"]] == [{"venue", "pool", "baseAmount"}]


def test_legs_that_name_amounts_of_two_assets_are_no_swap() -> None:
    document = json.loads(wire.sign(in_usdc(a_split_swap()), 420, "nonce").payload)
    document["legs"][1]["baseAmount"] = document["legs"][1].pop("quoteAmount")
    payload = json.dumps(document).encode()
    with pytest.raises(InvalidTransaction, match="no swap"):
        wire.read(SignedTransaction(wire._signature(payload), payload, 420))


def test_the_bytes_count_and_nothing_beside_them() -> None:
    signed = wire.sign(a_swap(), 420, "nonce")
    assert wire.read(replace(signed, last_valid_height=10**9)).last_valid_height == 420


def test_the_same_bytes_have_the_same_signature_and_a_nonce_makes_others() -> None:
    swap = a_swap()
    assert wire.sign(swap, 420, "a") == wire.sign(swap, 420, "a")
    assert wire.sign(swap, 420, "a").signature != wire.sign(swap, 420, "b").signature


def test_a_signature_of_other_bytes_is_refused() -> None:
    one, other = (wire.sign(a_swap(), 420, "nonce") for _ in range(2))
    with pytest.raises(InvalidTransaction, match="belong"):
        wire.read(replace(one, payload=other.payload))


@pytest.mark.parametrize("payload", [b"", b"{}", b"[]", b"\xff", b'{"orderId": 1}'])
def test_signed_bytes_that_are_no_swap_are_refused(payload: bytes) -> None:
    signed = replace(
        wire.sign(a_swap(), 1, ""), payload=payload, signature=wire._signature(payload)
    )
    with pytest.raises(InvalidTransaction, match="no swap"):
        wire.read(signed)


def test_a_signature_looks_like_one_of_solana() -> None:
    signatures = [wire.sign(a_swap(), 420, str(nonce)).signature for nonce in range(100)]
    assert all(85 <= len(signature) <= 88 for signature in signatures)
    assert all(signature.isalnum() and signature.isascii() for signature in signatures)


def test_base58_is_that_of_bitcoin() -> None:
    assert wire.base58(b"Hello World!") == "2NEpo7TZRRrLZSi2U"
    assert wire.base58(bytes.fromhex("0000287fb4cd")) == "11233QC4"
