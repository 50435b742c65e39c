"""The store of keys and tickets in memory, with the promises of the one on PostgreSQL."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from orderengine.domain.access import ApiKey, Caller, KeyRecord
from orderengine.domain.errors import StorageUnavailable
from tests.fake_orders import FakeClock

USE_NOTED = timedelta(minutes=1)


@dataclass
class FakeKeys:
    """Keys in a dictionary; `down` makes every call fail as a lost PostgreSQL would."""

    clock: FakeClock = field(default_factory=FakeClock)
    down: bool = False
    look_ups: int = 0
    _keys: dict[str, tuple[ApiKey, KeyRecord]] = field(default_factory=dict)
    _tickets: dict[bytes, tuple[Caller, datetime]] = field(default_factory=dict)

    def add(self, key: ApiKey) -> None:
        self._answer()
        record = KeyRecord(key.key_id, key.client_id, self.clock.now(), None, None)
        self._keys[key.key_id] = (key, record)

    def use(self, key_id: str, digest: bytes) -> ApiKey | None:
        self._answer()
        self.look_ups += 1
        key, record = self._keys.get(key_id, (None, None))
        if key is None or record is None or record.revoked_at:
            return None
        now = self.clock.now()
        is_noted = record.last_used_at and now - record.last_used_at <= USE_NOTED
        if key.digest == digest and not is_noted:
            self._keys[key_id] = (key, replace(record, last_used_at=now))
        return key

    def revoke(self, key_id: str) -> bool:
        self._answer()
        key, record = self._keys.get(key_id, (None, None))
        if key is None or record is None or record.revoked_at:
            return False
        self._keys[key_id] = (key, replace(record, revoked_at=self.clock.now()))
        return True

    def revoked(self, key_ids: Collection[str]) -> set[str]:
        self._answer()
        self.look_ups += 1
        return {key_id for key_id in key_ids if self._keys[key_id][1].revoked_at}

    def all(self) -> list[KeyRecord]:
        self._answer()
        records = [record for _, record in self._keys.values()]
        return sorted(records, key=lambda each: (each.client_id, each.created_at, each.key_id))

    def add_ticket(self, digest: bytes, caller: Caller, lifetime_s: int) -> datetime:
        self._answer()
        expires_at = self.clock.now() + timedelta(seconds=lifetime_s)
        self._tickets[digest] = (caller, expires_at)
        return expires_at

    def take_ticket(self, digest: bytes) -> Caller | None:
        self._answer()
        caller, expires_at = self._tickets.pop(digest, (None, self.clock.now()))
        if caller is None or expires_at <= self.clock.now():
            return None
        if caller.key_id and self._keys[caller.key_id][1].revoked_at:
            return None
        return caller

    def _answer(self) -> None:
        if self.down:
            raise StorageUnavailable("PostgreSQL is down")
