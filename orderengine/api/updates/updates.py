"""The updates of a process: all its connections that follow orders, from handshake to close."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from orderengine.api.updates.census import Census, FanOut
from orderengine.api.updates.connection import Connection, SocketEnd, SocketKind
from orderengine.api.updates.loop import AT_ONCE, Loop
from orderengine.api.updates.slots import Caps, Slots
from orderengine.api.updates.subject import ClientStreamRequest, OrderStreamRequest
from orderengine.domain.access import Caller
from orderengine.execution.intake.keys import Authenticator
from orderengine.execution.operations.counters import CounterName, ProcessMetrics
from orderengine.stream.hub import Hub

SWEEP_S = 0.5
"""How often the sweep asks whether the process shuts down, and which keys were revoked."""

SWEEPS_PER_CENSUS = 10

StreamRequest = OrderStreamRequest | ClientStreamRequest


class Updates:
    """Keeps all open connections; implements `api.updates.connection.Keeper`.

    A sweep twice a second serves all of them. It asks `draining` whether the server ends, and looks
    for revoked keys, once for each caller. A helper thread does what may wait for PostgreSQL.
    """

    def __init__(
        self,
        loop: Loop,
        hub: Hub,
        authenticator: Authenticator,
        caps: Caps,
        metrics: ProcessMetrics | None = None,
    ) -> None:
        self.metrics = ProcessMetrics() if metrics is None else metrics
        self.draining: Callable[[], bool] = lambda: False
        self.slots = Slots(caps, self.metrics)
        self.closed: Counter[SocketEnd] = Counter()
        self.loop = loop
        self._hub = hub
        self._authenticator = authenticator
        self._connections: set[Connection] = set()
        self._callers: Counter[Caller] = Counter()
        self._census = Census(self.metrics)
        self._fan_out = FanOut(self.metrics)
        self._helper = ThreadPoolExecutor(1, thread_name_prefix="sockets-helper")
        self._is_looking = False
        self._is_sweeping = False
        self._sweeps = 0
        self._left = threading.Event()

    @property
    def open(self) -> int:
        """How many sockets and streams there are, including those that are being closed."""
        return self.slots.open

    def begin(self, connection: Connection, wanted: StreamRequest) -> None:
        """Let a connection follow its subject; it gives its slot back at its end.

        Raises RuntimeError when the hub is closed; the caller then keeps slot and connection.
        """
        if isinstance(wanted, ClientStreamRequest):
            connection.follower = self._hub.follow_client(
                wanted.caller.client_id, wanted.first, wanted.cursor, connection.wake
            )
        elif not wanted.is_over:
            connection.follower = self._hub.follow(wanted.order_id, wanted.after, connection.wake)
        self.loop.begin(connection, connection.open)

    def leave(self, timeout_s: float) -> bool:
        """Close all connections, since the process ends; True once all are closed."""
        self.loop.call(self._part_from_all)
        return self._left.wait(timeout_s)

    def opened(self, connection: Connection) -> None:
        """A connection was opened."""
        self._connections.add(connection)
        self._callers[connection.caller] += 1
        if self.draining():
            self.loop.call(self._part_from_all)
        if not self._is_sweeping:
            self._is_sweeping = True
            self.loop.later(SWEEP_S, self._sweep)

    def ending(self, connection: Connection, end: SocketEnd) -> None:
        """It gets no more messages."""
        if connection.kind is not SocketKind.STREAM:
            self.closed[end] += 1
            self.metrics.count(CounterName.SOCKETS_CLOSED, end.value)

    def closed_one(self, connection: Connection) -> None:
        """It is closed, and its slot free."""
        self._connections.discard(connection)
        self._callers[connection.caller] -= 1
        if not self._callers[connection.caller]:
            del self._callers[connection.caller]
        self.slots.give_back(connection.caller.client_id)
        if not self._connections and self.draining():
            self._left.set()

    def sent(self, times: tuple[float, ...]) -> None:
        """Messages with events of these times were handed to the kernel."""
        self._fan_out.observe(times)

    def _sweep(self) -> None:
        self._is_sweeping = bool(self._connections) or self._census.tells_of_some
        if self._is_sweeping:
            self.loop.later(SWEEP_S, self._sweep)
        self._fan_out.flush()
        self._sweeps += 1
        counts = not self._connections or self._sweeps % SWEEPS_PER_CENSUS == 0
        if self.draining():
            self._part_from_all()
        elif not self._is_looking:
            self._is_looking = True
            connections = list(self._connections) if counts else None
            self._helper.submit(self._look, list(self._callers), connections)

    def _look(self, callers: list[Caller], connections: list[Connection] | None) -> None:
        """Look for revoked keys, and count; in the helper's thread, since it may wait."""
        try:
            if connections is not None:
                self._census.take(connections)
            revoked = {each for each in callers if self._authenticator.is_revoked(each)}
            if revoked:
                self.loop.call(lambda: self._part_from(revoked))
        finally:
            self._is_looking = False

    def _part_from(self, callers: set[Caller]) -> None:
        """Part from these callers: not from all at once, so that others get their turn."""
        left = [each for each in self._connections if each.end is None and each.caller in callers]
        for connection in left[:AT_ONCE]:
            connection.part(SocketEnd.REVOKED)
        if len(left) > AT_ONCE:
            self.loop.call(lambda: self._part_from(callers))

    def _part_from_all(self) -> None:
        for connection in list(self._connections):
            connection.part(SocketEnd.RESTART)
        if not self._connections:
            self._left.set()
