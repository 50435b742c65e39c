"""Idempotency: a client's own name for a request, so that asking again can not order twice."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from orderengine.domain.documents import decimal_text
from orderengine.domain.order import NewOrder


@dataclass(frozen=True, slots=True)
class AcceptedBefore:
    """The order that was accepted under a key; `fingerprint` tells what was asked for then."""

    order_id: UUID
    accepted_at: datetime
    fingerprint: bytes


def fingerprint(request: NewOrder) -> bytes:
    """SHA-256 of what a request asks for: equal however numbers were written, keys ordered.

    What was left at its default counts as not asked for, so that a field which a later release
    adds does not make an old request a new one.
    """
    wanted = {**request.data, "quantity": decimal_text(request.quantity)}
    if request.max_legs == 1:
        del wanted["maxLegs"]
    if request.worst_price is not None:
        wanted["worstPrice"] = decimal_text(request.worst_price)
    return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).digest()
