"""The tasks and queues by name: all that a process needs to hand work on without its code."""

ROUTE_ORDER = "route_order"
BUILD_ORDER = "build_order"
SUBMIT_ORDER = "submit_order"
CONFIRM_ORDER = "confirm_order"

SETTLE = "settle"
INTAKE = "intake"

_REQUEST = "request:"


def root_id_for(request_id: str) -> str:
    """The root of a chain that a request started: Celery hands it on with each message."""
    return f"{_REQUEST}{request_id}"


def request_id_of(root_id: str | None) -> str | None:
    """The request that started a chain; None for one that recovery started."""
    if root_id is None or not root_id.startswith(_REQUEST):
        return None
    return root_id.removeprefix(_REQUEST)
