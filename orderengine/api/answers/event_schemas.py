"""The shapes of an order's events: one for each status, told apart by `status`.

In Python one `EventSchema` serves all events. The descriptions have a schema for each status, so
that a generated client knows the fields of `data`.
"""

from collections.abc import Mapping
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.common import make_schema_key
from marshmallow import fields

from orderengine.api.answers.fields import AnswerSchema, answer, fields_of
from orderengine.api.answers.schemas import EventSchema
from orderengine.domain.fields import Member
from orderengine.domain.moves import (
    Amend,
    Build,
    Cancel,
    Confirm,
    EndCanceled,
    EndExpired,
    Expire,
    Fail,
    FailAttempt,
    NotFilled,
    RequestCancel,
    Rest,
    StartRouting,
    Submit,
    Trigger,
)
from orderengine.domain.order import NewOrder, OrderStatus

NAME = "Event"
"""The name of `EventSchema` in a description."""


def _first_only(member: Member) -> str:
    """The description of a requested field, which only the first event has."""
    note = "only in the first event" + (", if the request had it." if member.guard else ".")
    told = member.told.description.rstrip(".")
    return f"{told}; {note}" if told else note.capitalize()


def _again(member: Member) -> str:
    """The description of a requested field that an amendment tells anew."""
    told = member.told.description.rstrip(".")
    note = "in the first event and in an amendment's, if the order has it."
    return f"{told}; {note}" if told else note.capitalize()


def _begun(name: str, *later: type[Any]) -> type[AnswerSchema]:
    """The schema of a status in which orders begin: what was requested, or a later step's data."""
    again = {key for move in later for key in fields_of(move)}
    requested = fields_of(
        NewOrder, lambda each: _again(each) if each.name in again else _first_only(each)
    )
    del requested["orderId"]  # each event has it beside its data
    told = dict(requested)
    for move in later:
        told |= {key: field for key, field in fields_of(move).items() if key not in told}
    members = {**told, "optional": frozenset(told)}
    return type(f"{name}DataSchema", (AnswerSchema,), members)


def _merged(name: str, *moves: type[Any]) -> type[AnswerSchema]:
    """The schema of a status to which several moves lead: the data of one of them."""
    schemas = [answer(f"{move.__name__}Data", move) for move in moves]
    told = {key: field for move in moves for key, field in fields_of(move).items()}
    everywhere = set(told).intersection(*(fields_of(move).keys() for move in moves))
    absent = {key for schema in schemas for key in schema.optional}
    members = {**told, "optional": frozenset(told.keys() - everywhere | absent)}
    return type(f"{name}DataSchema", (AnswerSchema,), members)


DATA: Mapping[OrderStatus, type[AnswerSchema]] = {
    OrderStatus.WAITING: _begun("Waiting", Rest, Amend),
    OrderStatus.PENDING: _begun("Pending", FailAttempt, Trigger),
    OrderStatus.ROUTING: answer("RoutingData", StartRouting),
    OrderStatus.BUILDING: answer("BuildingData", Build),
    OrderStatus.SUBMITTED: _merged("Submitted", Submit, RequestCancel),
    OrderStatus.CONFIRMED: answer("ConfirmedData", Confirm),
    OrderStatus.FAILED: answer("FailedData", Fail),
    OrderStatus.CANCELED: _merged("Canceled", Cancel, EndCanceled),
    OrderStatus.EXPIRED: _merged("Expired", Expire, EndExpired, NotFilled),
}


def describe_events(spec: APISpec, plugin: MarshmallowPlugin) -> None:
    """Add the schemas of events to a description, and let `EventSchema` stand for all of them."""
    mapping = {}
    for status, data in DATA.items():
        name = f"{status.value.title()}{NAME}"
        told = {"description": f"An event with the status `{status.value}`."}
        spec.components.schema(name, told, schema=_event_of(status, data))
        mapping[status.value] = f"#/components/schemas/{name}"
    event = {
        "description": "One step of an order, as its stream sends it; `data` depends on `status`.",
        "oneOf": [{"$ref": reference} for reference in mapping.values()],
        "discriminator": {"propertyName": "status", "mapping": mapping},
    }
    spec.components.schema(NAME, event)
    assert plugin.converter is not None  # noqa: S101 - the spec has set it
    plugin.converter.refs[make_schema_key(EventSchema())] = NAME


def event_components() -> dict[str, dict[str, Any]]:
    """The same schemas by themselves, by name."""
    plugin = MarshmallowPlugin()
    spec = APISpec("events", "1", "3.1.0", plugins=[plugin])
    describe_events(spec, plugin)
    return spec.components.schemas


def _event_of(status: OrderStatus, data: type[AnswerSchema]) -> type[AnswerSchema]:
    """The schema of events with one status."""
    members = {
        "status": fields.String(metadata={"enum": [status.value]}),
        "data": fields.Nested(data),
    }
    return type(f"{status.value.title()}EventSchema", (EventSchema,), members)
