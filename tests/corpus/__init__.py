"""Bad values of every field, header, parameter and path: no request of these may be accepted."""

from collections.abc import Iterator

from tests.corpus import bodies, requests
from tests.corpus.hostile import Hostile
from tests.corpus.ruled import ruled

__all__ = ["Hostile", "corpus"]


def corpus() -> list[Hostile]:
    """All of them; each is sent once."""
    found: dict[tuple[object, ...], Hostile] = {}
    for case in (*ruled(), *_families()):
        found.setdefault(case.sent, case)
    return list(found.values())


def _families() -> Iterator[Hostile]:
    yield from bodies.bodies()
    yield from requests.headers()
    yield from requests.queries()
    yield from requests.paths()
