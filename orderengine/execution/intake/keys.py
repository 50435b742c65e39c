"""Authenticates clients by a key or by a ticket that a key bought; with no keys, lets all in."""

import secrets
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Protocol

import structlog

from orderengine.domain.access import (
    KEY_ID_BYTES,
    LOCAL_CLIENT,
    SECRET_BYTES,
    ApiKey,
    Caller,
    KeyRecord,
    digest,
    is_ticket,
    key_id_of,
    key_text,
    ticket_text,
)
from orderengine.domain.errors import StorageUnavailable

log = structlog.get_logger(__name__)

KEY_FRESH_S = 2.0
"""How long a looked-up key counts as valid: a revoked key may work for this long."""
MAX_KEYS_HELD = 10_000
TICKET_LIFETIME_S = 30


class Keys(Protocol):
    """The store of keys and tickets; every method raises StorageUnavailable without an answer."""

    def add(self, key: ApiKey) -> None:
        """Store a new key."""

    def use(self, key_id: str, digest: bytes) -> ApiKey | None:
        """The key with this id, unless it is revoked; notes its use at most once a minute.

        A wrong digest notes no use.
        """

    def revoke(self, key_id: str) -> bool:
        """Revoke a key; False if there is no valid key with this id."""

    def revoked(self, key_ids: Collection[str]) -> set[str]:
        """Those of the keys that were revoked."""

    def all(self) -> list[KeyRecord]:
        """Every key, revoked ones included, sorted by client and age, oldest first."""

    def add_ticket(self, digest: bytes, caller: Caller, lifetime_s: int) -> datetime:
        """Store a ticket; returns when it expires."""

    def take_ticket(self, digest: bytes) -> Caller | None:
        """Delete a ticket and return its caller; None if the ticket or its key is not valid."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """Opens one socket, once, before `expires_at`."""

    text: str = field(repr=False)
    expires_at: datetime


class Authenticator(Protocol):
    """Authenticates callers."""

    asks_for_keys: ClassVar[bool]

    def authenticate(self, key: str | None) -> Caller | None:
        """The caller with this key, or None if the key is not valid."""

    def redeem(self, ticket: str) -> Caller | None:
        """The caller that bought this ticket, which is used up; None if it is not valid."""

    def is_revoked(self, caller: Caller) -> bool:
        """True once the caller's key is revoked; learned within seconds, cheap to ask."""


class OpenAuthenticator:
    """Needs no key: every caller is the same client."""

    asks_for_keys: ClassVar[bool] = False

    def authenticate(self, key: str | None) -> Caller | None:  # noqa: ARG002 - no key is needed
        """The only client, with any key or none."""
        return Caller(LOCAL_CLIENT)

    def redeem(self, ticket: str) -> Caller | None:
        """The only client, with any ticket."""
        return self.authenticate(ticket)

    def is_revoked(self, caller: Caller) -> bool:  # noqa: ARG002 - there is no key to revoke
        """Always False."""
        return False


class KeyAuthenticator:
    """Needs a key of every client; remembers a looked-up key for two seconds.

    An unknown key is looked up each time, so that a new key works at once.
    """

    asks_for_keys: ClassVar[bool] = True

    def __init__(self, keys: Keys, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._clock = clock
        self._lock = threading.Lock()
        self._cached: dict[str, tuple[ApiKey, float]] = {}
        self._inside: dict[str, float] = {}
        self._closed: set[str] = set()
        self._look_at = float("-inf")

    def authenticate(self, key: str | None) -> Caller | None:
        """The caller with this key; raises StorageUnavailable if it cannot be looked up."""
        key_id = key_id_of(key) if key else None
        if key is None or key_id is None:
            return None
        with self._lock:
            cached, until = self._cached.get(key_id, (None, 0.0))
        if cached is None or until <= self._clock():
            cached = self._look_up(key_id, digest(key))
        if cached is None or not cached.opens_with(key):
            return None
        return Caller(cached.client_id, cached.key_id)

    def redeem(self, ticket: str) -> Caller | None:
        """The caller that bought this ticket; raises StorageUnavailable without an answer."""
        return self._keys.take_ticket(digest(ticket)) if is_ticket(ticket) else None

    def is_revoked(self, caller: Caller) -> bool:
        """True once the caller's key is revoked; one query per two seconds serves all callers."""
        if caller.key_id is None:
            return False
        with self._lock:
            now = self._clock()
            self._inside[caller.key_id] = now
            is_due = now >= self._look_at
            if is_due:
                self._look_at = now + KEY_FRESH_S
        if is_due:
            self._look_for_revoked(now)
        return caller.key_id in self._closed

    def _look_up(self, key_id: str, found: bytes) -> ApiKey | None:
        cached = self._keys.use(key_id, found)
        with self._lock:
            if cached is None:
                self._cached.pop(key_id, None)
                return None
            if len(self._cached) >= MAX_KEYS_HELD:
                self._cached.clear()
            self._cached[key_id] = (cached, self._clock() + KEY_FRESH_S)
        return cached

    def _look_for_revoked(self, now: float) -> None:
        with self._lock:
            # A caller that has not asked for a while has left.
            self._inside = {
                key_id: at for key_id, at in self._inside.items() if now - at < 5 * KEY_FRESH_S
            }
            inside = list(self._inside)
        try:
            self._closed = self._keys.revoked(inside)
        except StorageUnavailable as error:
            log.warning("revoked_keys_unknown", error=str(error))  # asked again in two seconds


def create_key(keys: Keys, client_id: str) -> tuple[str, str]:
    """Make a key for a client; returns its id and the key, which is never shown again."""
    key_id = secrets.token_hex(KEY_ID_BYTES)
    key = key_text(key_id, secrets.token_urlsafe(SECRET_BYTES))
    keys.add(ApiKey(key_id, client_id, digest(key)))
    return key_id, key


def issue_ticket(keys: Keys, caller: Caller) -> Ticket:
    """Make a ticket for one socket of this caller."""
    text = ticket_text(secrets.token_urlsafe(SECRET_BYTES))
    return Ticket(text, keys.add_ticket(digest(text), caller, TICKET_LIFETIME_S))
