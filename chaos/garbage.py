"""Malformed messages, each with a different fault."""

import json
from typing import Any
from uuid import uuid4

NOTHING: dict[str, Any] = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
DEEP = b"[" * 100_000 + b"]" * 100_000
"""JSON that no recursive reader can read."""
HEADERS: dict[str, Any] = {
    "shadow": [1],
    "retries": "many",
    "callbacks": "x",
    "eta": "soon",
    "expires": "soon",
    "timelimit": [1],
    "stamped_headers": [[1]],
}
"""Invalid values of headers. Celery checks some of them after it has reserved a slot."""


LINK: dict[str, Any] = {
    "task": "build_order",
    "args": [],
    "kwargs": {},
    "options": {"queue": "settle"},
}
CHAINS: dict[str, Any] = {
    "numbers": [7],
    "nothing": [None],
    "an empty link": [{}],
    "a name": {"a": 1},
    "a link without options": [{"task": "build_order"}],
    "a task that is a list": [{**LINK, "task": ["build_order"]}],
    "options that are a list": [LINK, {**LINK, "options": [1]}],
    "a queue that is a list": [{**LINK, "options": {"queue": ["settle"]}}],
    "arguments that are a text": [{**LINK, "args": "x"}],
}
"""Invalid chains. Celery reads them when the task has ended or failed."""


def envelope(queue: str, body: object, task: str = "route_order", **more: Any) -> dict[str, Any]:
    """A message as Celery sends it, except for the given parts."""
    task_id = str(uuid4())
    properties = {
        "correlation_id": task_id,
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": queue},
        "priority": 0,
        "body_encoding": None,
        "delivery_tag": str(uuid4()),
    }
    headers = {"lang": "py", "task": task, "id": task_id, "retries": 0, "eta": None}
    return {
        "body": json.dumps(body),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": properties,
        **more,
    }


def unreadable(queue: str) -> dict[str, bytes]:
    """Bytes that are not a message, or whose body cannot be read."""
    whole = envelope(queue, [[], {}, NOTHING])
    headers, properties = whole["headers"], whole["properties"]
    values: dict[str, Any] = {
        "null": None,
        "a list": [],
        "a number": 7,
        "a text": "route_order",
        "an empty object": {},
        "no headers": {key: value for key, value in whole.items() if key != "headers"},
        "headers that are none": {**whole, "headers": [1]},
        "no properties": {**whole, "properties": None},
        "no delivery tag": {**whole, "properties": {"delivery_info": {"routing_key": queue}}},
        "a delivery tag that is none": {**whole, "properties": {**properties, "delivery_tag": [1]}},
        "a time that is none": {**whole, "eta": {"__type__": "datetime", "__value__": 7}},
        "no body": {**whole, "body": None},
        "a task that is no name": {**whole, "headers": {**headers, "task": ["route_order"]}},
        "no task": {**whole, "headers": {}},
        "no id": {**whole, "headers": {"task": "route_order"}},
        "a body in no known encoding": {
            **whole,
            "properties": {**properties, "body_encoding": "rot13"},
        },
        "a body that is no JSON": {**whole, "body": "\x00{"},
        "a body of another kind": {**whole, "content-type": "application/x-python-serialize"},
        "a body of an unknown kind": {**whole, "content-type": "text/none", "body": "x"},
        "a body that is null": envelope(queue, None),
        "a body that is a number": envelope(queue, 7),
    }
    texts = {name: json.dumps(value).encode() for name, value in values.items()}
    return {**texts, "no text": b"\xff\xfe\x00", "nothing": b"", "nested deeply": DEEP}


def unfit(queue: str, order_id: str) -> dict[str, bytes]:
    """Messages whose arguments their task does not take; all name an order."""
    bodies: dict[str, list[Any]] = {
        "two items": [[order_id, 1, "order"], {}],
        "a version that is none": [[order_id, "1", "order"], {}, NOTHING],
        "a version that is true": [[order_id, True, "order"], {}, NOTHING],
        "a cause that is none": [[order_id, 1, "whim"], {}, NOTHING],
        "too many arguments": [[order_id, 1, "order", 4], {}, NOTHING],
        "a name that it does not know": [[order_id, 1, "order"], {"never": 1}, NOTHING],
        "arguments that are no list": [{"orderId": order_id}, {}, NOTHING],
        "headers in its body": [[order_id, 1, "order"], {}, {"retries": [1]}],
        **{
            f"a chain of {name}": [[order_id, 1, "order"], {}, {**NOTHING, "chain": chain}]
            for name, chain in CHAINS.items()
        },
    }
    handovers = {
        "no handover": [[order_id], {}, NOTHING],
        "half a handover": [[{"orderId": order_id}], {}, NOTHING],
        "a handover of something else": [[{"orderId": order_id, "version": []}], {}, NOTHING],
        "half a group": [[[{"orderId": order_id}, {"version": 2}]], {}, NOTHING],
    }
    messages = {name: envelope(queue, body) for name, body in bodies.items()}
    messages |= {name: envelope(queue, body, "build_order") for name, body in handovers.items()}
    messages["an unknown task"] = envelope(queue, [[order_id], {}, NOTHING], "sell_everything")
    messages["a task of Celery's own"] = envelope(queue, [[order_id], {}, NOTHING], "celery.group")
    for header, value in HEADERS.items():
        whole = envelope(queue, [[order_id, 1, "order"], {}, NOTHING])
        whole["headers"][header] = value
        messages[f"a wrong {header}"] = whole
    return {name: json.dumps(message).encode() for name, message in messages.items()}


def commands() -> dict[str, bytes]:
    """Invalid commands, published to all workers."""
    body = envelope("celery.pidbox", {"method": "ping", "arguments": 7, "reply_to": 7})
    values: list[Any] = [
        None,
        [],
        7,
        "ping",
        {},
        {"properties": {}},
        {"body": "x", "properties": 1},
    ]
    texts = {f"command {json.dumps(value)}": json.dumps(value).encode() for value in values}
    return {
        **texts,
        "no text": b"\xff",
        "nested deeply": DEEP,
        "no command": json.dumps(envelope("celery.pidbox", [1])).encode(),
        "arguments that are none": json.dumps(body).encode(),
    }
