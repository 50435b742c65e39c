"""How many connections fit into a process's limit of open files."""

import resource

import pytest

from orderengine.webserver.descriptors import OTHERS, Fit, fit_within_limit

UNLIMITED = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "fit", "raised"),
    [
        (1024, 1_000_000, Fit(5000, 1000), True),
        (1024, UNLIMITED, Fit(5000, 1000), True),
        (1024, 5000 + 1000 + OTHERS, Fit(5000, 1000), True),
        (1024, 4096, Fit(4096 - OTHERS - 1000, 1000), True),
        (1024, 1024, Fit(1024 - OTHERS - 256, 256), False),
        (128, 256, Fit(1, 64), True),
        (64, 64, Fit(1, 25), False),
        (UNLIMITED, UNLIMITED, Fit(5000, 1000), False),
    ],
)
def test_the_limit_is_raised_as_far_as_it_may_and_kept(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, fit: Fit, raised: bool
) -> None:
    said: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: said.append(limits))
    assert fit_within_limit(5000, 1000, 24) == fit
    assert said == ([(hard, hard)] if raised else [])
