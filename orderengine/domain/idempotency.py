"""Idempotency: a client's key for a request, so that a repeated request orders only once."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from orderengine.domain.documents import decimal_text
from orderengine.domain.order import NewOrder


@dataclass(frozen=True, slots=True)
class AcceptedBefore:
    """The order accepted under a key; `fingerprint` identifies the content of its request."""

    order_id: UUID
    accepted_at: datetime
    fingerprint: bytes


def fingerprint(request: NewOrder) -> bytes:
    """SHA-256 of a request's content, independent of number formats and the order of its keys.

    Fields at their defaults are left out, so that a field added by a later release does not change
    the fingerprint of an old request.
    """
    wanted = {**request.data, "quantity": decimal_text(request.quantity)}
    if request.max_legs == 1:
        del wanted["maxLegs"]
    if request.worst_price is not None:
        wanted["worstPrice"] = decimal_text(request.worst_price)
    return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).digest()
