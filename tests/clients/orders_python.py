"""Places and follows an order with a generated openapi-python-client, and reads each field."""

import json
import sys
from http import HTTPStatus
from typing import Any

from generated_client import AuthenticatedClient
from generated_client.api.orders import execute_order, list_events
from generated_client.api.stream import stream_events
from generated_client.models import Events, Order, OrderRequest, OrderRequestSide

base_url, key = sys.argv[1:]
client = AuthenticatedClient(base_url=base_url, token=key, raise_on_unexpected_status=True)


def read(value: Any) -> Any:
    """Read every attribute of a model, and of the models in it."""
    if isinstance(value, list):
        return [read(each) for each in value]
    members = getattr(value, "__attrs_attrs__", None)
    if members is None:
        return str(value)
    return {member.name: read(getattr(value, member.name)) for member in members}


request = OrderRequest(symbol="AAPL", side=OrderRequestSide.BUY, quantity=1)
placed = execute_order.sync(client=client, body=request)
assert isinstance(placed, Order), placed
# The stream ends when the order does.
told = stream_events.sync_detailed(placed.order_id, client=client)
assert told.status_code == HTTPStatus.OK, told
listed = list_events.sync(placed.order_id, client=client)
assert isinstance(listed, Events), listed
print(json.dumps({"placed": placed.to_dict(), "events": [read(each) for each in listed.events]}))
