"""What tests ask of a stack on a localnet, however it was started."""

from abc import abstractmethod
from concurrent.futures import ThreadPoolExecutor

from harness.waiting import wait_until
from tests.e2e.stack import ASK_PAUSE_S, Document

END_TIMEOUT_S = 90.0


class LiveOrders:
    """Places orders on a stack that can place one, and waits for them."""

    @abstractmethod
    def place(self, **order: object) -> str:
        """Place an order with these fields; returns its id."""

    @abstractmethod
    def order(self, order_id: str) -> Document:
        """The order now."""

    def place_at_once(self, count: int, **order: object) -> list[str]:
        with ThreadPoolExecutor(count) as threads:
            return list(threads.map(lambda _: self.place(**order), range(count)))

    def wait_for(self, order_id: str, *statuses: str) -> Document:
        """The order once it has one of these statuses."""
        wait_until(
            lambda: self.order(order_id)["status"] in statuses,
            END_TIMEOUT_S,
            f"{order_id} is not {' or '.join(statuses)}",
            pause_s=ASK_PAUSE_S,
        )
        return self.order(order_id)
