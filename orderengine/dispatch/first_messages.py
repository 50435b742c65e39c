"""The messages that start new orders, as Celery and kombu write them for the chain of an order.

Headers and body are documented for programs that send tasks without Celery (Message Protocol,
version 2). kombu puts them into a list of Redis in the form that `messages.py` checks. A test
compares these messages with those of Celery, which takes ten times as long to write one.
"""

import os
import socket
from base64 import b64encode
from typing import Any
from uuid import UUID, uuid4

from celery import Celery

from orderengine.dispatch.chain import later_stages, queue_of
from orderengine.dispatch.names import ROUTE_ORDER
from orderengine.domain.json_text import json_text
from orderengine.domain.moves import RoutingCause

PERSISTENT = 2


class FirstMessages:
    """Writes the messages of chains that start for one cause."""

    def __init__(self, app: Celery, cause: RoutingCause) -> None:
        self.queue = queue_of(cause)
        self._cause = cause.value
        later = {"chain": later_stages(app)[::-1], "chord": None}
        self._embedded = json_text({"callbacks": None, "errbacks": None, **later})
        self._headers: dict[str, Any] = {
            "lang": "py",
            "task": ROUTE_ORDER,
            **dict.fromkeys(("shadow", "eta", "expires", "group", "group_index", "parent_id")),
            "retries": 0,
            "timelimit": [None, None],
            "kwargsrepr": "{}",
            "origin": f"{os.getpid()}@{socket.gethostname()}",
            "ignore_result": None,
            "replaced_task_nesting": 0,
            "stamped_headers": None,
            "stamps": {},
        }
        self._sent = {
            "reply_to": "",
            "delivery_mode": PERSISTENT,
            "delivery_info": {"exchange": "", "routing_key": self.queue},
            "priority": 0,
            "body_encoding": "base64",
        }

    def write(self, order_id: UUID, version: int, root_id: str | None) -> str:
        """Write the message of an order at this version; `root_id` names the request behind it."""
        task_id = str(uuid4())
        arguments = (str(order_id), version, self._cause)
        body = f"[{json_text(arguments)},{{}},{self._embedded}]"
        return json_text(
            {
                "body": b64encode(body.encode()).decode(),
                "content-encoding": "utf-8",
                "content-type": "application/json",
                "headers": {
                    **self._headers,
                    "id": task_id,
                    "root_id": root_id or task_id,
                    "argsrepr": repr(arguments),
                },
                "properties": {
                    **self._sent,
                    "correlation_id": task_id,
                    "delivery_tag": str(uuid4()),
                },
            }
        )
