"""The output for the user: whole lines, each with its writer's name, without passwords."""

import os
import re
import select
from collections import deque
from collections.abc import Iterable
from urllib.parse import unquote

_COLORS = (36, 32, 33, 35, 34, 31)
_URL_PASSWORD = re.compile(r"(?P<before>\w+://[^\s:/@]*:)(?P<password>[^\s/]+)@")
_MASK = "***"
_CHUNK_BYTES = 4096  # a writable pipe takes this much without blocking
_PATIENCE_S = 0.5
_SHORTEST_SECRET = 4
_LONGEST_LINE_BYTES = 65_536


class Mask:
    """Hides the passwords of URLs, and the given ones wherever they appear."""

    def __init__(self, urls: Iterable[str] = ()) -> None:
        passwords: set[str] = set()
        for url in urls:
            match = _URL_PASSWORD.search(url)
            password = match["password"] if match else ""
            passwords |= {password, unquote(password)}
        secrets = sorted((p for p in passwords if len(p) >= _SHORTEST_SECRET), key=len)
        alternatives = "|".join(re.escape(secret) for secret in reversed(secrets))
        self._secrets = re.compile(alternatives) if alternatives else None

    def __call__(self, text: str) -> str:
        """The text with `***` in place of every password."""
        text = _URL_PASSWORD.sub(rf"\g<before>{_MASK}@", text)
        return self._secrets.sub(_MASK, text) if self._secrets else text


class Lines:
    """Cuts a stream of bytes into lines and remembers the last ones."""

    def __init__(self, remembered: int = 15) -> None:
        self._rest = b""
        self._last: deque[str] = deque(maxlen=remembered)

    @property
    def last(self) -> list[str]:
        """The last complete lines."""
        return list(self._last)

    def feed(self, data: bytes) -> list[str]:
        """The lines which these bytes complete; a line without end is cut at 64 KiB."""
        *complete, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE_BYTES:
            complete.append(self._rest)
            self._rest = b""
        return self._keep(complete)

    def finish(self) -> list[str]:
        """The last line, if it has no end."""
        rest, self._rest = self._rest, b""
        return self._keep([rest] if rest else [])

    def _keep(self, raw: list[bytes]) -> list[str]:
        lines = [line.decode(errors="replace").rstrip("\r") for line in raw]
        self._last.extend(lines)
        return lines


class Output:
    """Writes prefixed lines to a descriptor.

    It never blocks for long: a terminal that was paused, or is gone, must not keep the supervisor
    from stopping its children.
    """

    def __init__(self, descriptor: int, *, color: bool, width: int = 8) -> None:
        self._descriptor = descriptor
        self._color = color
        self._width = width
        self._names: list[str] = []
        self._dropped = 0
        self.mask = Mask()

    def line(self, name: str, text: str) -> None:
        """Writes one line of a child, or of the supervisor itself."""
        if name not in self._names:
            self._names.append(name)
        prefix = f"{name:<{self._width}} | "
        if self._color:
            code = _COLORS[self._names.index(name) % len(_COLORS)]
            prefix = f"\x1b[{code}m{prefix}\x1b[0m"
        self._write(f"{prefix}{self.mask(text)}\n")

    def block(self, text: str) -> None:
        """Writes lines without a name."""
        self._write(f"{self.mask(text)}\n")

    def _write(self, text: str) -> None:
        if self._dropped and self._send(f"({self._dropped} lines were not shown)\n"):
            self._dropped = 0
        if self._dropped or not self._send(text):
            self._dropped += text.count("\n")

    def _send(self, text: str) -> bool:
        patience_s = 0.0 if self._dropped else _PATIENCE_S
        data = text.encode(errors="replace")
        try:
            for start in range(0, len(data), _CHUNK_BYTES):
                if not select.select([], [self._descriptor], [], patience_s)[1]:
                    return False
                os.write(self._descriptor, data[start : start + _CHUNK_BYTES])
        except OSError:
            return False
        return True
