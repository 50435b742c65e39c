"""Reads variables: each kind of value with its bounds, each error with the variable's name."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orderengine.market.simulation import Span

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:]+\])(?::[1-9][0-9]*)?")
_DEFAULT_PORT = re.compile(r"http://.*:80|https://.*:443")


class ConfigurationError(Exception):
    """A setting is missing or wrong; the message names it and the rule."""


@dataclass(frozen=True, slots=True)
class ArmedPoint:
    """Where a process kills itself, and at which passage (from 1): for tests."""

    name: str
    passage: int


class Reader:
    """Reads variables from the environment; an empty one counts as not set."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str, default: str) -> str:
        """The text, or the default."""
        return self._environ.get(name, "").strip() or default

    def required(self, name: str) -> str:
        """The text; raises ConfigurationError without one."""
        value = self.text(name, "")
        if not value:
            message = f"{name} must be set"
            raise ConfigurationError(message)
        return value

    def set_among(self, names: Iterable[str]) -> tuple[str, ...]:
        """The variables among these that are set."""
        return tuple(name for name in names if self.text(name, ""))

    def origins(self, name: str) -> frozenset[str]:
        """Origins separated by commas, as a browser writes them; raises ConfigurationError."""
        given = [each.strip() for each in self.text(name, "").split(",") if each.strip()]
        for each in given:
            if not _ORIGIN.fullmatch(each) or _DEFAULT_PORT.fullmatch(each):
                message = (
                    f"{name} has {each}, which no browser sends as Origin: write scheme://host in"
                    " lower case, without a path, and without the scheme's default port"
                )
                raise ConfigurationError(message)
        return frozenset(given)

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number within bounds; raises ConfigurationError."""
        return self._bounded(name, self.text(name, str(default)), low, high)

    def span(self, name: str, default: str, high: int) -> Span:
        """`LOW-HIGH`, or one number for both; raises ConfigurationError."""
        first, _, last = self.text(name, default).partition("-")
        span = Span(
            self._bounded(name, first, 0, high), self._bounded(name, last or first, 0, high)
        )
        if span.low > span.high:
            message = f"{name} must be LOW-HIGH with LOW not above HIGH"
            raise ConfigurationError(message)
        return span

    def rate(self, name: str) -> float:
        """A number from 0 to 1; raises ConfigurationError."""
        text = self.text(name, "0")
        try:
            rate = float(text)
        except ValueError:
            rate = -1.0
        if not 0.0 <= rate <= 1.0:
            message = f"{name} must be a number from 0 to 1"
            raise ConfigurationError(message)
        return rate

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        """One of a few words, in upper case; raises ConfigurationError."""
        value = self.text(name, default).upper()
        if value not in allowed:
            message = f"{name} must be one of {', '.join(allowed)}"
            raise ConfigurationError(message)
        return value

    def armed_point(self, name: str) -> ArmedPoint | None:
        """`NAME:PASSAGE`, or None; raises ConfigurationError."""
        text = self.text(name, "")
        if not text:
            return None
        point, _, passage = text.partition(":")
        return ArmedPoint(point, self._bounded(name, passage, 1, 1_000_000))

    def _bounded(self, name: str, text: str, low: int, high: int) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            message = f"{name} must be an integer from {low} to {high}"
            raise ConfigurationError(message)
        return value


def credentials(text: str) -> tuple[str, ...]:
    """`user:password` pairs; a password alone, as hosts generate it, belongs to the user `flower`.

    Raises ConfigurationError.
    """
    parts = [part.strip() for part in text.split(",")] if text else []
    if len(parts) == 1 and ":" not in text:
        return (f"flower:{text}",)
    for part in parts:
        user, _, password = part.partition(":")
        if not user or not password:
            message = "FLOWER_BASIC_AUTH must be user:password; a comma separates several"
            raise ConfigurationError(message)
    return tuple(parts)
