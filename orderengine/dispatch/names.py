"""Task names: enough for a process to dispatch work without loading the tasks."""

ROUTE_ORDER = "route_order"
BUILD_ORDER = "build_order"
SUBMIT_ORDER = "submit_order"
CONFIRM_ORDER = "confirm_order"

_REQUEST = "request:"


def root_id_for(request_id: str) -> str:
    """The root ID of a chain started by a request; Celery passes it on with each message."""
    return f"{_REQUEST}{request_id}"


def request_id_of(root_id: str | None) -> str | None:
    """The ID of the request that placed the order; None if it had none."""
    if root_id is None or not root_id.startswith(_REQUEST):
        return None
    return root_id.removeprefix(_REQUEST)
