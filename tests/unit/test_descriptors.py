"""How many connections fit into a process's limit of open files."""

import resource

import pytest

from orderengine.webserver.descriptors import OTHERS, connections_within_limit

UNLIMITED = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "connections", "raised"),
    [
        (1024, 1_000_000, 1256, 1256 + OTHERS + 200),
        (1024, UNLIMITED, 1256, 1256 + OTHERS + 200),
        (1024, 1024, 1024 - OTHERS - 200, 1024),
        (1024, 1100, 1100 - OTHERS - 200, 1100),
        (256, 256, 257, 256),
        (100_000, 100_000, 1256, None),
        (UNLIMITED, UNLIMITED, 1256, None),
    ],
)
def test_the_limit_is_raised_as_far_as_it_may_and_kept(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, connections: int, raised: int | None
) -> None:
    said: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: said.append(limits))
    assert connections_within_limit(1256, 256, 200) == connections
    assert said == ([] if raised is None else [(raised, hard)])
