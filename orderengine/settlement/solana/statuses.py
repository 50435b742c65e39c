"""One look at the network for all open signatures, however many orders ask for theirs."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

from orderengine.domain.errors import NetworkUnavailable
from orderengine.solana import requests
from orderengine.solana.cluster import Cluster
from orderengine.solana.requests import MOST_STATUSES, Status
from orderengine.solana.rpc import Node

KEPT_S = 0.25
"""Less than the pause between two polls of an order (0.3 s), of which the second looks anew."""
ASKED_S = 5.0
"""A signature that nobody has asked for so long is left out of the others' looks."""


@dataclass(frozen=True, slots=True)
class _Answer:
    began: float
    status: Status | None


class StatusBoard:
    """The statuses of signatures; a request for some asks for all that are open, up to 256.

    "Not known" is never a proof here: a node forgets, lags, or has not heard of it yet. Safe for
    any thread: while one asks, others wait, and the next one asks for what all of them want.
    """

    def __init__(
        self, cluster: Cluster, kept_s: float = KEPT_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._cluster = cluster
        self._kept_s = kept_s
        self._clock = clock
        self._asking = Lock()
        self._lock = Lock()  # of what follows; never held during a request
        self._answers: dict[str, _Answer] = {}
        self._asked_at: dict[str, float] = {}
        self._failure: tuple[float, NetworkUnavailable] | None = None

    def look(self, signatures: Sequence[str]) -> list[Status | None]:
        """What the network knows of each; raises NetworkUnavailable without an answer."""
        came = self._clock()
        with self._lock:
            self._asked_at |= dict.fromkeys(signatures, came)
        with self._asking:
            answers = self._kept(signatures, came)
            if answers is None:
                answers = self._ask(signatures, came)
        return [answers[each].status for each in signatures]

    def forget(self, signature: str) -> None:
        """Ask for this signature no more: its outcome is stored."""
        with self._lock:
            self._asked_at.pop(signature, None)
            self._answers.pop(signature, None)

    def _kept(self, signatures: Sequence[str], came: float) -> Mapping[str, _Answer] | None:
        """The answers to all of these that are young enough; None if one of them is not."""
        oldest = came - self._kept_s
        with self._lock:
            found = {
                each: answer
                for each in signatures
                if (answer := self._answers.get(each)) is not None and answer.began >= oldest
            }
        return found if len(found) == len(set(signatures)) else None

    def _ask(self, signatures: Sequence[str], came: float) -> Mapping[str, _Answer]:
        if self._failure is not None and self._failure[0] >= came:
            raise self._failure[1]  # somebody else has just asked in vain
        began = self._clock()
        wanted = self._wanted(signatures, began)
        try:
            found = self._cluster.ask(lambda node: _all(node, wanted))
        except NetworkUnavailable as error:
            self._failure = began, error
            raise
        answers = {name: _Answer(began, status) for name, status in found.items()}
        with self._lock:
            kept = {each: self._answers[each] for each in self._answers if each in self._asked_at}
            self._answers = kept | answers
        return answers

    def _wanted(self, signatures: Sequence[str], began: float) -> Sequence[str]:
        """These signatures, and as many other open ones as the same requests can name."""
        with self._lock:
            self._asked_at = {
                each: at for each, at in self._asked_at.items() if at >= began - ASKED_S
            }
            wanted = list(dict.fromkeys([*signatures, *self._asked_at]))
        most = -(-len(dict.fromkeys(signatures)) // MOST_STATUSES) * MOST_STATUSES
        return wanted[:most]


def _all(node: Node, signatures: Sequence[str]) -> dict[str, Status | None]:
    found: dict[str, Status | None] = {}
    for start in range(0, len(signatures), MOST_STATUSES):
        part = signatures[start : start + MOST_STATUSES]
        _, known = requests.statuses(node, part, in_history=False)
        found |= zip(part, known, strict=True)
    return found
