"""The contract of every implementation of `Keys`: in memory and on PostgreSQL."""

from collections.abc import Callable
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from sqlalchemy import Engine, text

from orderengine.domain.access import ApiKey, Caller, digest, key_id_of
from orderengine.execution.intake.keys import (
    KEY_FRESH_S,
    KeyAuthenticator,
    Keys,
    create_key,
    issue_ticket,
)
from orderengine.storage.keys import SqlKeys
from tests.fakes import FakeClock, FakeKeys


class Store:
    """An implementation, whose clock a test can advance."""

    def __init__(self, keys: Keys, pass_time: Callable[[float], None]) -> None:
        self.keys = keys
        self.pass_time = pass_time

    def used(self, key_id: str) -> object:
        return next(each.last_used_at for each in self.keys.all() if each.key_id == key_id)


def _sql_store(database: Engine) -> Store:
    def pass_time(seconds: float) -> None:
        with database.connect() as connection:
            values = {"s": seconds}
            for statement in (
                "UPDATE api_keys SET last_used_at = last_used_at - make_interval(secs => :s)",
                "UPDATE socket_tickets SET expires_at = expires_at - make_interval(secs => :s)",
            ):
                connection.execute(text(statement), values)

    return Store(SqlKeys(database), pass_time)


@pytest.fixture(params=["fake", "postgresql"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "postgresql":
        return _sql_store(request.getfixturevalue("database"))
    clock = FakeClock()
    return Store(FakeKeys(clock), clock.advance)


def test_a_key_is_stored_as_its_digest_only(store: Store) -> None:
    key_id, key = create_key(store.keys, "alice")
    assert key_id_of(key) == key_id
    assert store.keys.use(key_id, digest(key)) == ApiKey(key_id, "alice", digest(key))
    assert key not in repr(store.keys.all())
    assert store.keys.use("0" * 12, digest(key)) is None


def test_a_client_has_any_number_of_keys_and_one_is_revoked_alone(store: Store) -> None:
    first, key = create_key(store.keys, "alice")
    second, other = create_key(store.keys, "alice")
    assert store.keys.revoke(first)
    assert not store.keys.revoke(first)
    assert not store.keys.revoke("0" * 12)
    assert store.keys.use(first, digest(key)) is None
    assert store.keys.use(second, digest(other)) is not None
    assert store.keys.revoked([first, second]) == {first}
    assert store.keys.revoked([]) == set()
    assert {each.key_id for each in store.keys.all() if each.revoked_at} == {first}


def test_the_use_of_a_key_is_noted_once_a_minute(store: Store) -> None:
    key_id, key = create_key(store.keys, "alice")
    assert store.used(key_id) is None
    store.keys.use(key_id, digest(key))
    first = store.used(key_id)
    assert first is not None
    store.keys.use(key_id, digest(key))
    assert store.used(key_id) == first
    store.pass_time(61)
    long_ago = store.used(key_id)
    store.keys.use(key_id, digest(key))
    assert store.used(key_id) != long_ago


def test_a_wrong_secret_is_no_use_of_the_key(store: Store) -> None:
    key_id, _ = create_key(store.keys, "alice")
    store.keys.use(key_id, digest("a guess"))
    assert store.used(key_id) is None


def test_a_ticket_opens_once(store: Store) -> None:
    key_id, _ = create_key(store.keys, "alice")
    ticket = issue_ticket(store.keys, Caller("alice", key_id))
    assert store.keys.take_ticket(digest(ticket.text)) == Caller("alice", key_id)
    assert store.keys.take_ticket(digest(ticket.text)) is None


def test_a_ticket_opens_nothing_after_thirty_seconds_or_without_its_key(store: Store) -> None:
    key_id, _ = create_key(store.keys, "alice")
    caller = Caller("alice", key_id)
    late, in_time = issue_ticket(store.keys, caller), issue_ticket(store.keys, Caller("local"))
    store.pass_time(29)
    assert store.keys.take_ticket(digest(in_time.text)) == Caller("local")
    store.pass_time(2)
    assert store.keys.take_ticket(digest(late.text)) is None
    orphan = issue_ticket(store.keys, caller)
    store.keys.revoke(key_id)
    assert store.keys.take_ticket(digest(orphan.text)) is None


def test_tickets_that_nobody_used_are_swept_up(database: Engine) -> None:
    store = _sql_store(database)
    for _ in range(12):
        issue_ticket(store.keys, Caller("local"))
    store.pass_time(31)
    for _ in range(2):
        issue_ticket(store.keys, Caller("local"))
    with database.connect() as connection:
        left = connection.execute(text("SELECT count(*) FROM socket_tickets")).scalar_one()
    assert left == 2


def test_of_two_who_take_a_ticket_at_once_one_gets_it(database: Engine) -> None:
    keys = SqlKeys(database)
    for _ in range(20):
        ticket = digest(issue_ticket(keys, Caller("local")).text)
        taken: list[Caller | None] = []
        both = Barrier(2)

        def take(
            ticket: bytes = ticket, both: Barrier = both, taken: list[Caller | None] = taken
        ) -> None:
            both.wait()
            taken.append(keys.take_ticket(ticket))

        threads = [Thread(target=take) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(taken, key=bool) == [None, Caller("local")]


def test_a_gate_lets_in_by_the_very_key_and_forgets_a_revoked_one_within_seconds() -> None:
    clock = FakeClock()
    keys = FakeKeys(clock)
    authenticator = KeyAuthenticator(keys, lambda: clock.seconds)
    key_id, key = create_key(keys, "alice")
    caller = Caller("alice", key_id)
    assert [authenticator.authenticate(key) for _ in range(100)] == [caller] * 100
    assert keys.look_ups == 1
    assert authenticator.authenticate(key[:-1] + ("A" if key[-1] != "A" else "B")) is None
    keys.revoke(key_id)
    clock.advance(KEY_FRESH_S + timedelta.resolution.total_seconds())
    assert authenticator.authenticate(key) is None
    assert authenticator.is_revoked(caller)
    assert not authenticator.is_revoked(Caller("local"))


def test_a_gate_asks_once_for_all_that_are_inside() -> None:
    clock = FakeClock()
    keys = FakeKeys(clock)
    authenticator = KeyAuthenticator(keys, lambda: clock.seconds)
    callers = [Caller("alice", create_key(keys, "alice")[0]) for _ in range(50)]
    for _ in range(10):
        clock.advance(0.5)
        assert not any(authenticator.is_revoked(caller) for caller in callers)
    assert keys.look_ups == 3
    keys.down = True
    clock.advance(3)
    assert not authenticator.is_revoked(callers[0])


@pytest.mark.parametrize(
    "text",
    [None, "", "oe_", "local", "oe_" + "0" * 12, "oe_" + "0" * 12 + "_" + "a" * 44, "oe_\x00"],
)
def test_what_has_not_the_form_of_a_key_is_not_looked_up(text: str | None) -> None:
    keys = FakeKeys()
    assert KeyAuthenticator(keys).authenticate(text) is None
    assert KeyAuthenticator(keys).redeem(text or "") is None
    assert keys.look_ups == 0
