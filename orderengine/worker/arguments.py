"""Checks the arguments of a message before it becomes a task."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from uuid import UUID

from celery.exceptions import Ignore

from orderengine.dispatch.improper import Reason, drop
from orderengine.dispatch.names import CONFIRM_ORDER, ROUTE_ORDER
from orderengine.domain.moves import RoutingCause

T = TypeVar("T")
Document = Mapping[str, Any]

_CAUSES = frozenset(RoutingCause)
_NAMED = {ROUTE_ORDER: frozenset({"again"}), CONFIRM_ORDER: frozenset({"once"})}
_LINKS = frozenset({"callbacks", "errbacks", "chain", "chord"})
"""What the last item of a body may hold: signatures of other tasks."""
_NONE: frozenset[str] = frozenset()


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
    """The fault in the last item of a body; Celery adds it to the headers without a check."""
    if not isinstance(more, dict | None):
        return "the last item of its body is not an object"
    for name, value in (more or {}).items():
        links = value if isinstance(value, list) else [value]
        if name not in _LINKS or not all(isinstance(link, dict | None) for link in links):
            return f"the last item of its body has a wrong {name}"
    return None


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
    if len(args) != 1 or not isinstance(args[0], Mapping) or "orderId" not in args[0]:
        return "its arguments are not a handover"
    return None


def read_handover(read: Callable[[Document], T], document: Document) -> T:
    """Read a handover of the previous stage; drop an unreadable one and end its chain."""
    try:
        return read(document)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        drop(Reason.ARGUMENTS, f"{type(error).__name__}: {error}", document)
        raise Ignore("its message is malformed") from error
