"""Checks the arguments of a message before it becomes a task."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from uuid import UUID

from celery.exceptions import Ignore

from orderengine.dispatch.improper import Reason, drop
from orderengine.dispatch.names import CONFIRM_ORDER, ROUTE_ORDER
from orderengine.domain.fields import Document
from orderengine.domain.moves import RoutingCause

T = TypeVar("T")
Handed = Document | list[Document]
"""What a message hands to a stage: one document, or a list of them for a group."""

_CAUSES = frozenset(RoutingCause)
_NAMED = {ROUTE_ORDER: frozenset({"again"}), CONFIRM_ORDER: frozenset({"once"})}
_CHORD = "chord"
_LINKS = frozenset({"callbacks", "errbacks", "chain", _CHORD})
"""What the last item of a body may hold: signatures of other tasks."""
_NONE: frozenset[str] = frozenset()
MOST_ORDERS = 100
"""More orders than any release puts into a group."""


def fault_of_body(task: str, body: Any) -> str | None:
    """Describe the fault in a message body for this task; None if there is no fault."""
    if not isinstance(body, list) or len(body) != 3:
        return "its body is not a list of three items"
    args, named, more = body
    if not isinstance(args, list) or not isinstance(named, dict):
        return "its arguments are not a list and an object"
    if fault := _fault_of_links(more):
        return fault
    if not named.keys() <= _NAMED.get(task, _NONE):
        return f"{task} has no argument {', '.join(sorted(named))}"
    return _fault_of_route(args) if task == ROUTE_ORDER else _fault_of_handover(args)


def _fault_of_links(more: Any) -> str | None:
    """The fault in the last item of a body.

    Celery adds it to the headers without a check, and reads it once more when the task has failed.
    An error there leaves the thread's request running for ever.
    """
    if not isinstance(more, dict | None):
        return "the last item of its body is not an object"
    for name, value in (more or {}).items():
        if name not in _LINKS or not (value is None or _are_signatures(name, value)):
            return f"the last item of its body has a wrong {name}"
    return None


def _are_signatures(name: str, value: Any) -> bool:
    if name == _CHORD:
        return _is_signature(value)
    return isinstance(value, list) and all(map(_is_signature, value))


def _is_signature(link: Any) -> bool:
    """Whether Celery can make a signature of this JSON value, and read it."""
    return (
        isinstance(link, dict)
        and isinstance(link.get("task"), str)
        and isinstance(link.get("args"), list)
        and isinstance(link.get("kwargs"), dict)
        and isinstance(link.get("options"), dict)
        and isinstance(link["options"].get("queue"), str | None)
    )


def _fault_of_route(args: list[Any]) -> str | None:
    try:
        order_id, version, cause = args
        UUID(order_id)
    except (ValueError, TypeError, AttributeError):
        return "its arguments are not an order, a version and a cause"
    if type(version) is not int or cause not in _CAUSES:
        return "its version or cause is invalid"
    return None


def _fault_of_handover(args: list[Any]) -> str | None:
    if len(args) != 1:
        return "its arguments are not a handover"
    handed = args[0] if isinstance(args[0], list) else args
    if not 0 < len(handed) <= MOST_ORDERS:
        return f"it hands on {len(handed)} orders"
    if not all(isinstance(each, Mapping) and "orderId" in each for each in handed):
        return "its arguments are not a handover"
    return None


def read_handovers(read: Callable[[Mapping[str, Any]], T], handed: Handed) -> list[T]:
    """Read the handovers of the previous stage, one for each order.

    Drops a message with an unreadable one and ends its chain; recovery goes on with its orders.
    """
    documents = handed if isinstance(handed, list) else [handed]
    try:
        return [read(document) for document in documents]
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        drop(Reason.ARGUMENTS, f"{type(error).__name__}: {error}", handed)
        raise Ignore("its message is malformed") from error
