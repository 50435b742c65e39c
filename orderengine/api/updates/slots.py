"""Slots: how many sockets and streams a process, and each client in it, may have."""

from collections import Counter
from dataclasses import dataclass
from threading import Lock

from orderengine.api.answers.problems import RETRY_AFTER_S, ErrorCode, Refused
from orderengine.execution.operations.counters import CounterName, Metrics


@dataclass(frozen=True, slots=True)
class Caps:
    """The most sockets of a process, and of one client in it (0: no limit of its own).

    `origins` are other sites whose pages may open sockets; pages of this service always may.
    """

    sockets: int
    per_client: int = 0
    origins: frozenset[str] = frozenset()


class Slots:
    """The slots of this process: `open` are taken, of `limit`. For any thread."""

    def __init__(self, caps: Caps, metrics: Metrics) -> None:
        self.limit = caps.sockets
        self.open = 0
        self._per_client = caps.per_client
        self._metrics = metrics
        self._by_client: Counter[str] = Counter()
        self._lock = Lock()

    def take(self, client_id: str) -> None:
        """Take a slot; raises Refused if the process (503) or the client (429) has none left."""
        with self._lock:
            is_full = self.open >= self.limit
            has_enough = 0 < self._per_client <= self._by_client[client_id]
            if not is_full and not has_enough:
                self.open += 1
                self._by_client[client_id] += 1
                self._metrics.count(CounterName.OPEN_SOCKETS)
                return
        later = {"Retry-After": str(RETRY_AFTER_S)}
        if is_full:
            detail = f"this process serves at most {self.limit} sockets; connect again shortly"
            raise Refused(503, ErrorCode.TOO_MANY_SOCKETS, detail, headers=later)
        detail = (
            f"a client may have {self._per_client} sockets per process; "
            "close one, or connect again later"
        )
        raise Refused(429, ErrorCode.TOO_MANY_CLIENT_SOCKETS, detail, headers=later)

    def give_back(self, client_id: str) -> None:
        """Give back a slot that was taken for this client."""
        with self._lock:
            self.open -= 1
            self._by_client[client_id] -= 1
            if not self._by_client[client_id]:
                del self._by_client[client_id]
        self._metrics.count(CounterName.OPEN_SOCKETS, by=-1)
