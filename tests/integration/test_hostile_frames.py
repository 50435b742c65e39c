"""The hostile frames: none crashes the process, blocks it, or leaks a socket."""

import contextlib
import json
import socket
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from harness.waiting import wait_until
from tests.frames import CLOSE, PING, HostileFrames, frame, frame_corpus
from tests.integration.web_process import KEY, TIMEOUT_S, Web, raw_handshake

CASES = frame_corpus()
STALLED_S = 10.0


@pytest.fixture(scope="module")
def web(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with Web(redis_url, tmp_path_factory.mktemp("web")) as running:
        yield running


@pytest.fixture(scope="module")
def order_id(web: Web) -> str:
    return web.order()


class Peer:
    """Reads what the server sends, frame by frame."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self._held = b""
        head = self._until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101")

    def send(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # the server may close while this sends
            self._client.sendall(data)

    def next_frame(self) -> tuple[int, bytes]:
        head = self._take(2)
        length = head[1] & 0x7F
        if length == 126:
            length = int.from_bytes(self._take(2))
        return head[0] & 0x0F, self._take(length)

    def close_code(self) -> int:
        """The code of the close frame, skipping other frames; 1005 for a frame without a code."""
        while True:
            opcode, payload = self.next_frame()
            if opcode == CLOSE:
                return int.from_bytes(payload[:2]) if payload else 1005

    def answers_ping(self, payload: bytes) -> bool:
        while (found := self.next_frame())[0] in {0x1, 0xA}:
            if found == (0xA, payload):
                return True
        return False

    def _take(self, count: int) -> bytes:
        while len(self._held) < count:
            self._held += self._more()
        taken, self._held = self._held[:count], self._held[count:]
        return taken

    def _until(self, end: bytes) -> bytes:
        while end not in self._held:
            self._held += self._more()
        taken, _, self._held = self._held.partition(end)
        return taken

    def _more(self) -> bytes:
        data = self._client.recv(65_536)
        assert data, "the connection ended without a close frame"
        return data


@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_is_closed_with_its_code_or_passed_over(
    case: HostileFrames, web: Web, order_id: str
) -> None:
    wait_until(lambda: _has_room(web))
    with raw_handshake(web, order_id, KEY) as client:
        peer = Peer(client)
        assert peer.next_frame()[0] == 0x1
        peer.send(case.data)
        if case.codes:
            assert peer.close_code() in case.codes
        else:
            _is_passed_over(case, web, peer)
        began = time.monotonic()
        state = web.state()
        assert time.monotonic() - began < STALLED_S
    assert state["orders"] == 1
    assert web.process.poll() is None


def _has_room(web: Web) -> bool:
    """False while too many peers that have just left still hold some of the 60 sockets."""
    return bool(web.state()["open"] < 40)


def _is_passed_over(case: HostileFrames, web: Web, peer: Peer) -> None:
    """After a whole message the server still answers pings; else it waits for the rest."""
    if "sends nothing" in case.name or "header" in case.name:
        assert web.state()["open"] >= 1
        return
    peer.send(frame(PING, b"still there?"))
    assert peer.answers_ping(b"still there?")


def test_all_of_them_at_once_hurt_nobody_who_follows(web: Web, order_id: str) -> None:
    wait_until(web.is_idle)
    clients: list[socket.socket] = []
    try:
        with web.follow(web.order()) as friend:
            friend.recv()
            for case in CASES:
                while clients and not _has_room(web):
                    clients.pop(0).close()
                wait_until(lambda: _has_room(web))
                client = socket.create_connection(("127.0.0.1", web.port), timeout=TIMEOUT_S)
                clients.append(client)
                client.sendall(HANDSHAKE.format(order_id=order_id).encode())
                Peer(client).send(case.data)
            friend.ping("and you?")
            friend.settimeout(STALLED_S)
            assert friend.recv_data(control_frame=True) == (0xA, b"and you?")
    finally:
        for client in clients:
            client.close()
    wait_until(web.is_idle)


HANDSHAKE = (
    "GET /ws/orders?orderId={order_id} HTTP/1.1\r\nHost: localhost\r\n"
    f"Connection: Upgrade\r\nUpgrade: websocket\r\n{KEY}\r\n\r\n"
)


def test_nothing_of_it_is_in_the_log_as_a_failure(web: Web) -> None:
    """Runs last in this module, when all effects of the frames above are in the log."""
    wait_until(web.is_idle)
    lines = [json.loads(line) for line in web.log().splitlines()]
    assert {line["level"] for line in lines} <= {"info", "debug"}
    assert not [line for line in lines if "order_accepted" in line["event"]]


def test_there_are_enough_and_each_is_another_one() -> None:
    families = Counter(case.family for case in CASES)
    assert len(families) == 7
    assert sum(families.values()) >= 150
    assert len({case.name for case in CASES}) == len(CASES)
