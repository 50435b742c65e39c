"""Files of orders for `submit --file`, and a service in memory that takes them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from orderengine.cli.batches import Sender
from orderengine.cli.limits import Answer
from orderengine.cli.order_files import Line, read_orders
from orderengine.cli.service import NoAnswer, Service
from tests.web import Web


class Told:
    """A service in memory, and what a sender tells about the lines that it sends there.

    `lost` are the numbers of requests whose answer gets lost. `reports` are the numbers of the
    lines in the order in which they were told; `sender` is the last one.
    """

    shown = "memory"

    def __init__(self, web: Web, lost: Sequence[int] = (), **headers: str) -> None:
        self.web, self.lost, self.headers = web, lost, headers
        self.keys: list[str] = []
        self.sizes: list[int] = []
        self.results: dict[int, Mapping[str, Any]] = {}
        self.reports: list[int] = []
        self.sender: Sender
        self.pauses: list[float] = []
        self.at_pause: Callable[[], None] = lambda: None

    def execute_batch(self, orders: Sequence[str], key: str) -> Answer:
        self.keys.append(key)
        self.sizes.append(len(orders))
        answer = self.web.client.post(
            "/api/orders/batch",
            data=f'{{"orders":[{",".join(orders)}]}}',
            content_type="application/json",
            headers={"Idempotency-Key": key, **self.headers},
        )
        if len(self.keys) - 1 in self.lost:
            raise NoAnswer("no answer", may_have_arrived=True)
        told = {name.lower(): value for name, value in answer.headers}
        return Answer(answer.status_code, answer.get_json(), told)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.web.clock.advance(seconds)
        self.at_pause()

    def send(self, text: str, key: str = "k") -> Sender:
        service, clock = cast("Service", self), self.web.clock
        self.sender = Sender(service, key, self.tell, lambda: clock.seconds, self.pause)
        self.sender.send_all(read_orders(text))
        return self.sender

    def tell(self, line: Line, result: Mapping[str, Any]) -> None:
        self.reports.append(line.number)
        self.results[line.number] = result


def file_of(number: int) -> str:
    return "symbol,side,quantity\n" + "AAPL,buy,1\n" * number
