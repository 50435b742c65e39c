"""JSON-RPC over HTTP to Solana nodes: bounded in time and size, without retries of its own.

`Node` is one URL; `Rpc` asks the next node where one gives no answer. What must come from one node,
as a proof must, is asked inside one `Rpc.ask`.
"""

import itertools
import json
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar, cast
from urllib.parse import urlsplit

import urllib3
from urllib3.util import parse_url

from orderengine.domain.errors import NetworkUnavailable
from orderengine.solana.deadlines import bound_pool
from orderengine.solana.rpc_errors import (
    RATE_LIMITED,
    RateLimited,
    RpcRefused,
    RpcUnavailable,
)

CONNECT_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 5.0
"""From the request to the last byte of its answer, however slowly that comes."""
MAX_ANSWER_BYTES = 16 * 1024 * 1024
AVOIDED_S = 5.0
"""How long a node that gave no answer is asked only after all others."""
RESTS_S = 1.0
LONGEST_REST_S = 30.0
CONNECTIONS = 96
"""Connections that are kept to a node: as many as a worker has threads that ask it."""
_CHUNK_BYTES = 64 * 1024

T = TypeVar("T")


class OnCall(Protocol):
    """Is told of every request: its method, how long it took, and the error's word or `ok`."""

    def __call__(self, method: str, took_s: float, outcome: str) -> None:
        """Record one request."""


def ignore_call(method: str, took_s: float, outcome: str) -> None:
    """Record nothing."""


class Node:
    """One node; safe for any thread. `name` is the host alone: the URL may hold a secret."""

    def __init__(
        self,
        url: str,
        on_call: OnCall = ignore_call,
        *,
        connections: int = CONNECTIONS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = urlsplit(url).netloc.rpartition("@")[2]
        self._on_call = on_call
        self._clock = clock
        self._ids = itertools.count(1)
        self._rests_until = float("-inf")
        # The pool of one host: a manager would read the URL anew for each request.
        self._path = parse_url(url).request_uri
        self._pool = bound_pool(
            url,
            lambda: ANSWER_TIMEOUT_S,
            maxsize=connections,
            block=False,
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=ANSWER_TIMEOUT_S),
        )

    def call(self, method: str, *params: object) -> Any:
        """The result of a method; raises RpcUnavailable, or RpcRefused for an error as answer."""
        began, outcome = self._clock(), "ok"
        try:
            return self._call(method, params)
        except RpcUnavailable as error:
            outcome = error.cause
            if isinstance(error, RateLimited):
                self._rests_until = self._clock() + error.rests_s
            raise
        finally:
            self._on_call(method, self._clock() - began, outcome)

    def _call(self, method: str, params: Sequence[object]) -> Any:
        if (left_s := self._rests_until - self._clock()) > 0:
            raise RpcUnavailable(method, "rests", f"the node limits requests for {left_s:.1f} s")
        number = next(self._ids)
        document = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        try:
            response = self._pool.urlopen(
                "POST",
                self._path,
                body=json.dumps(document, separators=(",", ":")).encode(),
                headers={"Content-Type": "application/json"},
                redirect=False,
                preload_content=False,
            )
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            # Not "from error" and without its text, which repeat the URL.
            raise _unreachable(method, error) from None
        return self._result(method, response, number)

    def _result(self, method: str, response: urllib3.BaseHTTPResponse, number: int) -> Any:
        try:
            body = self._body(method, response)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            response.close()
            raise _unreachable(method, error) from None
        except RpcUnavailable:
            response.close()  # what is left of the answer must not be read as the next one
            raise
        response.release_conn()
        if response.status == 429:
            raise RateLimited(method, _rest_of(response.headers.get("Retry-After", "")))
        return _read(method, response.status, body, number)

    def _body(self, method: str, response: urllib3.BaseHTTPResponse) -> bytes:
        """The whole body; a node that sends it without end gives no answer."""
        body = bytearray()
        while chunk := response.read(_CHUNK_BYTES):
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise RpcUnavailable(method, "too_large", "the answer is too large")
        return bytes(body)


def _unreachable(method: str, error: Exception) -> RpcUnavailable:
    is_late = isinstance(error, urllib3.exceptions.TimeoutError | TimeoutError)
    kind = type(error).__name__
    return RpcUnavailable(method, "timeout" if is_late else "unreachable", f"no answer: {kind}")


def _rest_of(retry_after: str) -> float:
    seconds = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else RESTS_S
    return min(max(seconds, RESTS_S), LONGEST_REST_S)


def _read(method: str, status: int, body: bytes, number: int) -> Any:
    """The result in an answer; raises RpcUnavailable for anything else."""
    try:
        document = json.loads(body)
    except (UnicodeDecodeError, ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise RpcUnavailable(method, f"http_{status}", f"no JSON-RPC answer (HTTP {status})")
    error = document.get("error")
    if error is not None:
        code, message = _error_of(error)
        if code == RATE_LIMITED:
            raise RateLimited(method, RESTS_S)
        raise RpcRefused(method, code, message)
    if status != 200 or "result" not in document or document.get("id") != number:
        raise RpcUnavailable(method, "useless", f"no result of this request (HTTP {status})")
    return document["result"]


def _error_of(error: object) -> tuple[int, str]:
    if not isinstance(error, dict):
        return 0, "an error without a code"
    code = error.get("code")
    return (code if type(code) is int else 0), str(error.get("message"))


class Rpc:
    """Several nodes of one cluster, asked in their order; one that gave no answer comes last."""

    def __init__(self, nodes: Sequence[Node], clock: Callable[[], float] = time.monotonic) -> None:
        self.nodes = tuple(nodes)
        self._clock = clock
        self._avoided: dict[Node, float] = {}

    def ask(self, question: Callable[[Node], T]) -> T:
        """The answer of the first node that gives one; raises the last one's NetworkUnavailable."""
        failure: NetworkUnavailable | None = None
        for node in self._in_order():
            try:
                answer = question(node)
            except NetworkUnavailable as error:
                self._avoided[node] = self._clock() + AVOIDED_S
                failure = error
            else:
                self._avoided.pop(node, None)
                return answer
        raise cast("NetworkUnavailable", failure)

    def _in_order(self) -> list[Node]:
        now = self._clock()
        return sorted(self.nodes, key=lambda node: self._avoided.get(node, now) > now)
