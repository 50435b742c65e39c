"""Callers: clients, the keys that authenticate them, and tickets for one socket."""

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime

LOCAL_CLIENT = "local"
"""The client of every request when no keys are required: whoever runs the engine."""

CLIENT_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")

KEY_ID_BYTES = 6
SECRET_BYTES = 32
_KEY = re.compile(r"oe_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
_TICKET = re.compile(r"oet_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Caller:
    """The client that a request acts for, and its key; None if no key was required."""

    client_id: str
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The stored part of a key, never the key itself; `key_id` is in the key and not secret."""

    key_id: str
    client_id: str
    digest: bytes = field(repr=False)

    def opens_with(self, key: str) -> bool:
        """True for exactly this key; compares in constant time."""
        return hmac.compare_digest(self.digest, digest(key))


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key as an operator sees it; `last_used_at` lags by up to a minute."""

    key_id: str
    client_id: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


def key_text(key_id: str, secret: str) -> str:
    """The key as shown once: `oe_`, the id, and 256 random bits in base64url."""
    return f"oe_{key_id}_{secret}"


def ticket_text(secret: str) -> str:
    """The ticket as the client gets it."""
    return f"oet_{secret}"


def digest(secret: str) -> bytes:
    """SHA-256 of a key or ticket; nobody guesses 256 random bits, so no slow hash is needed."""
    return hashlib.sha256(secret.encode()).digest()


def key_id_of(key: str) -> str | None:
    """The id inside a key, or None if the text does not have the form of a key."""
    found = _KEY.fullmatch(key)
    return found[1] if found else None


def is_ticket(text: str) -> bool:
    """True if the text has the form of a ticket."""
    return _TICKET.fullmatch(text) is not None
