"""Random moves, cancels, expiries and words of the network, on PostgreSQL and on a plain model."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text

from orderengine.domain.moves import (
    Amend,
    EndCanceled,
    EndExpired,
    Move,
    RoutingCause,
    StartRouting,
    Submit,
)
from orderengine.domain.order import Order
from orderengine.domain.terms import TimeInForce
from orderengine.execution.ports import PlannedMove, PreparedStart
from orderengine.storage.halts import SqlHalts
from orderengine.storage.orders import SqlOrders
from tests.builders import (
    A_FAIL,
    A_REST,
    A_TRIGGER,
    NOT_FILLED,
    TRANSACTION,
    a_build,
    a_confirm,
    a_failed_attempt,
    a_limit,
)
from tests.conftest import a_new_order
from tests.integration.waiting_model import (
    ENDED,
    NOT_SIGNED,
    ON_THE_NETWORKS_WORD,
    RULES,
    Model,
)

AT_ONCE = 6
CLIENT = "local"
TO_THE_NETWORK = {"trigger", "route", "build", "submit"}
FORWARD = 6
"""How much likelier an order goes on to the network than elsewhere."""


class Play:
    """Orders of one client, in the store and in the model; the network decides once a signature."""

    def __init__(self, database: Engine, seed: int) -> None:
        self.database = database
        self.orders = SqlOrders(database)
        self.halts = SqlHalts(database)
        self.random = random.Random(seed)  # noqa: S311 - a play can be repeated
        self.models: list[Model] = []
        self.landed: dict[str, bool] = {}
        self.is_halted = False
        self.done: Counter[str] = Counter()

    def step(self) -> None:
        """Do one thing, and compare the orders that it was about."""
        while len(self._open) < AT_ONCE:
            self.accept()
        others = [
            self.cancel,
            self.cancel_by_another,
            self.time_passes,
            self.expire,
            self.start_prepared,
            self.claim,
        ]
        act: Callable[[], Sequence[Model]]
        act = self.random.choice(others) if self.random.random() < 0.3 else self.move
        if self.random.random() < (0.1 if self.is_halted else 0.01):
            act = self.switch
        elif self.random.random() < 0.005:
            act = self.cancel_all
        for model in act():
            self.compare(model)

    @property
    def _open(self) -> list[Model]:
        return [each for each in self.models if each.status not in ENDED]

    def accept(self) -> None:
        ends_at = datetime.now(UTC) + timedelta(hours=1)
        can_expire, waits = self.random.random() < 0.5, self.random.random() < 0.9
        terms: dict[str, Any] = {"time_in_force": TimeInForce.GTC if waits else TimeInForce.IOC}
        if can_expire:
            terms = {"time_in_force": TimeInForce.GTD, "expires_at": ends_at}
        new = a_limit(**terms) if waits else replace(a_new_order(), **terms)
        order = self.orders.accept(new).order
        self.models.append(Model(order.order_id, "waiting" if waits else "pending", can_expire))

    def move(self) -> list[Model]:
        """Move some orders at once, each at its version or at one that it has left."""
        name, first = self._likely()
        rule = RULES[name]
        among = [first, *self.random.sample(self._open, self.random.randint(0, 2))]
        plans = [
            (model, plan)
            for model in {each.order_id: each for each in among}.values()
            if (plan := self._plan(name, model)) is not None
        ]
        moved = self.orders.move_all([plan for _, plan in plans])
        for (model, plan), result in zip(plans, moved, strict=True):
            is_meant = plan.version == model.version or name == "confirm"
            if model.status == "submitted":
                told = plan.signature or getattr(plan.move, "signature", None)
                is_meant = (is_meant and name != "confirm") or told == model.live
            is_stopped = rule.is_signing and self.is_halted
            is_moved = (
                is_meant and model.status in rule.sources and rule.holds(model) and not is_stopped
            )
            assert (result is not None) == is_moved, (name, model, plan, result)
            if result is not None:
                self._moved(name, model, plan, result.event.data)
        return [model for model, _ in plans]

    def _moved(
        self, name: str, model: Model, plan: PlannedMove, told: Mapping[str, object]
    ) -> None:
        self.done[name] += 1
        model.become(RULES[name].target)
        if isinstance(plan.move, Submit):
            model.signatures.append(plan.move.transaction.signature)
        if name == "confirm":
            assert bool(told.get("cancelTooLate")) == model.is_requested

    def _likely(self) -> tuple[str, Model]:
        """An order, and a move that its status allows; at times any one."""
        model = self.random.choice(self._open)
        if self.random.random() < 0.15:
            return self.random.choice(list(RULES)), model
        fitting = [name for name, rule in RULES.items() if model.status in rule.sources]
        weights = [FORWARD if name in TO_THE_NETWORK else 1 for name in fitting]
        return self.random.choices(fitting, weights)[0], model

    def _plan(self, name: str, model: Model) -> PlannedMove | None:
        """The move that a message would make now; None if the network has not told enough."""
        version = max(1, model.version - self.random.choice([0, 0, 0, 0, 1, 2]))
        if name == "confirm":
            found = [each for each in model.signatures if self._has_landed(each)]
            if not found:
                return None
            move = replace(a_confirm(datetime.now(UTC)), signature=self.random.choice(found))
            return PlannedMove(model.order_id, version, move)
        signature = None
        if name in ON_THE_NETWORKS_WORD and model.status == "submitted":
            dead = [each for each in model.signatures if not self._has_landed(each)]
            if not dead:
                return None
            signature = self.random.choice(dead)
            if signature != model.live:
                version = max(1, version - 2)  # who knows this signature has seen an older version
        return PlannedMove(model.order_id, version, self._move(name, model), signature)

    def _move(self, name: str, model: Model) -> Move:
        signature = f"{model.order_id}-{len(model.signatures)}"
        fixed: Mapping[str, Move] = {
            "trigger": A_TRIGGER,
            "route": StartRouting(RoutingCause.ORDER),
            "reroute": StartRouting(RoutingCause.RECOVERY),
            "submit": Submit(replace(TRANSACTION, signature=signature)),
            "fail attempt": a_failed_attempt(),
            "fail": A_FAIL,
            "rest": replace(A_REST, paid=model.status == "submitted"),
            "not filled": NOT_FILLED,
            "end canceled": EndCanceled("dead"),
            "end expired": EndExpired("dead"),
        }
        if name == "build":
            return a_build(datetime.now(UTC))
        return Amend.to(self._stored(model)) if name == "amend" else fixed[name]

    def _has_landed(self, signature: str) -> bool:
        return self.landed.setdefault(signature, self.random.random() < 0.3)

    def _one_of(self, found: Sequence[Model]) -> Model:
        """One of these, more often than not one that is submitted."""
        submitted = [each for each in found if each.status == "submitted"]
        return self.random.choice(submitted or found)

    def cancel(self) -> list[Model]:
        model = self._one_of(self._open if self.random.random() < 0.8 else self.models)
        was = model.status
        moved = self.orders.cancel(CLIENT, model.order_id)
        assert (moved is not None) == self._canceled(model), (was, model)
        return [model]

    def cancel_by_another(self) -> list[Model]:
        model = self.random.choice(self.models)
        assert self.orders.cancel("another", model.order_id) is None
        return [model]

    def cancel_all(self) -> list[Model]:
        part = self.orders.cancel_all(CLIENT, None, UUID(int=0), 1000)
        touched = [each for each in self._open if self._canceled(each)]
        assert {each.order.order_id for each in part.moved} == {each.order_id for each in touched}
        return touched

    def _canceled(self, model: Model) -> bool:
        """Cancel in the model; False if nothing happens."""
        if model.status in NOT_SIGNED:
            model.become("canceled")
        elif model.status == "submitted" and not model.is_requested:
            model.become("submitted")
            model.is_requested = True
        else:
            return False
        self.done["cancel"] += 1
        return True

    def time_passes(self) -> list[Model]:
        found = [each for each in self._open if each.can_expire and not each.is_past]
        chosen = [self._one_of(found)] if found else []
        for model in chosen:
            model.is_past = True
            with self.database.connect() as connection:
                connection.execute(
                    text("UPDATE orders SET expires_at = now() - interval '1 s' WHERE id = :id"),
                    {"id": model.order_id},
                )
        return chosen

    def expire(self) -> list[Model]:
        due = [each for each in self._open if each.is_past and each.status in NOT_SIGNED]
        expired = {each.order.order_id for each in self.orders.expire_due(1000)}
        assert expired == {each.order_id for each in due}
        for model in due:
            self.done["expire"] += 1
            model.become("expired")
        return due

    def start_prepared(self) -> list[Model]:
        model = self.random.choice(self._open)
        version = max(1, model.version - self.random.choice([0, 0, 1]))
        start = PreparedStart(model.order_id, version, A_TRIGGER, a_build(datetime.now(UTC)))
        (steps,) = self.orders.start_prepared([start])
        is_meant = (model.status, version) == ("waiting", model.version)
        assert bool(steps) == (is_meant and not model.is_past and not self.is_halted)
        if steps:
            self.done["start prepared"] += 1
            model.become("building", 3)
        return [model]

    def claim(self) -> list[Model]:
        model = self.random.choice(self._open)
        moved = self.orders.claim_pending(model.order_id, model.version, 0)
        assert bool(moved) == (model.status == "pending")
        if moved:
            model.become("routing")
        return [model]

    def switch(self) -> list[Model]:
        """Halt or resume: recovery's budget is no part of the model."""
        self.is_halted = not self.is_halted
        if self.is_halted:
            self.halts.halt()
        else:
            assert self.halts.resume()
        return []

    def _stored(self, model: Model) -> Order:
        order = self.orders.get(model.order_id)
        assert order is not None
        return order

    def compare(self, model: Model) -> None:
        """Row, events and transactions are those of the model."""
        order = self._stored(model)
        assert (order.status.value, order.version) == (model.status, model.version)
        assert (order.cancel_requested_at is not None) == (
            model.is_requested or model.status == "canceled"
        )
        events = self.orders.events(model.order_id)
        assert [event.seq for event in events] == list(range(1, model.version + 1))
        assert events[-1].status.value == model.status
        ends = [event for event in events if event.status.is_terminal]
        assert len(ends) == (model.status in ENDED)
        signatures = model.signatures
        landed = [each for each in signatures if self.landed.get(each)]
        assert len(landed) <= 1, "it would be executed twice"
        assert not landed or model.status in {"submitted", "confirmed"}, "it has ended otherwise"
        assert model.status != "confirmed" or landed
