"""Idempotency: a client's key for a request, so that a repeated request orders only once."""

import hashlib
import json
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from orderengine.domain.fields import shown
from orderengine.domain.order import NewOrder

_DEFAULTS = {each.name: each.default for each in fields(NewOrder)}


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
    data = request.data
    wanted = {
        each.name: data[each.name]
        for each in shown(NewOrder)
        if each.name in data and getattr(request, each.path) != _DEFAULTS.get(each.path)
    }
    return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).digest()
