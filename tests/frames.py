"""Hostile frames by families: the server closes with a code, or ignores the frame."""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

PASSED_OVER: tuple[int, ...] = ()
PROTOCOL_ERROR = (1002,)
INVALID_TEXT = (1007,)
CHATTER = (1008,)
TOO_BIG = (1009,)


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    length: int | None = None,
    size: int = 0,
) -> bytes:
    """A client's frame; `length`, and its `size` in bytes, may be false."""
    told = len(payload) if length is None else length
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    mask_bit = 0x80 if masked else 0
    if size == 8 or (not size and told > 0xFFFF):
        head = struct.pack("!BBQ", first, mask_bit | 127, told)
    elif size == 2 or (not size and told > 125):
        head = struct.pack("!BBH", first, mask_bit | 126, told)
    else:
        head = struct.pack("!BB", first, mask_bit | told)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


@dataclass(frozen=True)
class HostileFrames:
    """The bytes of a client, and the allowed close codes; no codes: the server ignores them."""

    family: str
    name: str
    data: bytes
    codes: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.family}: {self.name}"


def _messages() -> Iterator[HostileFrames]:
    family = "messages that nobody asked for"
    for name, text in (
        ("empty", ""),
        ("order", '{"symbol":"AAPL","side":"buy","quantity":10}'),
        ("subscribe", '{"op":"subscribe","client":"bob"}'),
        ("sql", "'; DROP TABLE orders; --"),
        ("nul", "\0" * 100),
        ("log line", '\n{"event":"order_accepted"}'),
        ("terminal", "\x1b[2J\x1b]0;x\x07"),
        ("look-alikes", "\u202e\u0410APL\ufeff"),
        ("astral", "\U0001f4a9" * 200),
        ("nesting", "[" * 1000),
        ("http", "GET /api/orders HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("as large as may be", "x" * 1024),
    ):
        yield HostileFrames(family, f"text {name}", frame(TEXT, text.encode()), PASSED_OVER)
        yield HostileFrames(family, f"binary {name}", frame(BINARY, text.encode()), PASSED_OVER)
    for name, data in (("zeros", b"\0" * 900), ("ones", b"\xff" * 900), ("pickle", b"\x80\x04N.")):
        yield HostileFrames(family, f"binary {name}", frame(BINARY, data), PASSED_OVER)


def _fragments() -> Iterator[HostileFrames]:
    family = "fragments"
    begin = frame(TEXT, b"a", fin=False)
    more, end = frame(CONTINUATION, b"b", fin=False), frame(CONTINUATION, b"c")
    split = "\u20ac".encode()
    yield HostileFrames(family, "a message in pieces", begin + more + end, PASSED_OVER)
    yield HostileFrames(family, "empty pieces", _pieces(b"", 20), PASSED_OVER)
    yield HostileFrames(family, "a ping in between", begin + frame(PING) + end, PASSED_OVER)
    yield HostileFrames(family, "never ended", begin + more * 20, PASSED_OVER)
    yield HostileFrames(
        family,
        "a character in two pieces",
        frame(TEXT, split[:1], fin=False) + frame(CONTINUATION, split[1:]),
        PASSED_OVER,
    )
    yield HostileFrames(family, "too large together", _pieces(b"x" * 100, 12), TOO_BIG)
    yield HostileFrames(
        family, "too large in binary", _pieces(b"\0" * 100, 12, opcode=BINARY), TOO_BIG
    )
    yield HostileFrames(family, "an end without a beginning", end, PROTOCOL_ERROR)
    yield HostileFrames(family, "a middle without a beginning", more, PROTOCOL_ERROR)
    yield HostileFrames(family, "a beginning in a beginning", begin + begin, PROTOCOL_ERROR)
    yield HostileFrames(family, "binary in text", begin + frame(BINARY, b"b"), PROTOCOL_ERROR)
    for opcode in (CLOSE, PING, PONG):
        yield HostileFrames(
            family,
            f"a control frame in pieces {opcode:x}",
            frame(opcode, fin=False),
            PROTOCOL_ERROR,
        )


def _pieces(payload: bytes, count: int, opcode: int = TEXT) -> bytes:
    first = frame(opcode, payload, fin=False)
    return first + frame(CONTINUATION, payload, fin=False) * count + frame(CONTINUATION, payload)


def _lengths() -> Iterator[HostileFrames]:
    family = "lengths"
    for size in (1025, 2000, 8000, 16_000):
        for opcode in (TEXT, BINARY):
            data = frame(opcode, b"x" * size)
            yield HostileFrames(family, f"{size} bytes as {opcode:x}", data, TOO_BIG)
    for told in (2**16, 2**31, 2**32, 2**62, 2**63 - 1):
        data = frame(BINARY, b"x" * 1500, length=told, size=8)
        yield HostileFrames(family, f"says {told}, sends little", data, TOO_BIG)
        data = frame(BINARY, b"", length=told, size=8)
        yield HostileFrames(family, f"says {told}, sends nothing", data, PASSED_OVER)
    for told in (2**63, 2**64 - 1):
        data = frame(BINARY, b"x" * 10, length=told, size=8)
        yield HostileFrames(family, f"says {told}: no such length", data, PROTOCOL_ERROR)
    for told, size in ((5, 2), (125, 2), (5, 8), (0, 8), (65_535, 8)):
        data = frame(TEXT, b"x" * min(told, 200), length=told, size=size)
        yield HostileFrames(family, f"{told} in {size} bytes", data, PROTOCOL_ERROR)
    for opcode in (CLOSE, PING, PONG):
        for told in (126, 1000):
            data = frame(opcode, b"x" * told)
            yield HostileFrames(family, f"{told} bytes as {opcode:x}", data, PROTOCOL_ERROR)
    yield HostileFrames(family, "half a header", frame(TEXT, b"x" * 300)[:3], PASSED_OVER)
    yield HostileFrames(family, "a header and no more", frame(TEXT, b"x")[:2], PASSED_OVER)


def _headers() -> Iterator[HostileFrames]:
    family = "masks, reserved bits and opcodes"
    for opcode in (TEXT, BINARY, CLOSE, PING, PONG):
        data = frame(opcode, b"", masked=False)
        yield HostileFrames(family, f"unmasked {opcode:x}", data, PROTOCOL_ERROR)
        for reserved in range(1, 8):
            data = frame(opcode, b"", reserved=reserved)
            yield HostileFrames(family, f"bits {reserved} on {opcode:x}", data, PROTOCOL_ERROR)
    for opcode in (*range(0x3, 0x8), *range(0xB, 0x10)):
        yield HostileFrames(family, f"opcode {opcode:x}", frame(opcode, b"x"), PROTOCOL_ERROR)
    yield HostileFrames(family, "a mask of zeros", b"\x81\x81\0\0\0\0x", PASSED_OVER)


def _texts() -> Iterator[HostileFrames]:
    family = "text that is no UTF-8"
    for data in (
        *(b"\x80", b"\xff", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xed\xbf\xbf"),
        *(b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"ok\xc3(", b"\xe2\x82", b"\xf0\x9f\x92"),
    ):
        yield HostileFrames(family, data.hex(), frame(TEXT, data), INVALID_TEXT)
        in_two = frame(TEXT, b"ok", fin=False) + frame(CONTINUATION, data)
        yield HostileFrames(family, f"{data.hex()} in the end", in_two, INVALID_TEXT)


def _closes() -> Iterator[HostileFrames]:
    family = "closing"
    for code in (1000, 1001, 1003, 1007, 1011, 3000, 4000, 4999):
        data = frame(CLOSE, struct.pack("!H", code))
        yield HostileFrames(family, f"with {code}", data, (code,))
    yield HostileFrames(family, "without a code", frame(CLOSE), (1000, 1005))
    reason = frame(CLOSE, struct.pack("!H", 1000) + b"x" * 123)
    yield HostileFrames(family, "at length", reason, (1000,))
    yield HostileFrames(family, "and talking on", frame(CLOSE) + frame(TEXT, b"x"), (1000, 1005))
    for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535):
        data = frame(CLOSE, struct.pack("!H", code))
        yield HostileFrames(family, f"with {code}, which is none", data, PROTOCOL_ERROR)
    yield HostileFrames(family, "with half a code", frame(CLOSE, b"\x03"), PROTOCOL_ERROR)
    bad = frame(CLOSE, struct.pack("!H", 1000) + b"\xff\xfe")
    yield HostileFrames(family, "with a reason that is no UTF-8", bad, INVALID_TEXT)


def _floods() -> Iterator[HostileFrames]:
    family = "floods"
    for name, data in (
        ("pings", frame(PING)),
        ("pings at length", frame(PING, b"x" * 125)),
        ("pongs", frame(PONG)),
        ("texts of nothing", frame(TEXT)),
        ("binaries of nothing", frame(BINARY)),
        ("texts", frame(TEXT, b"x" * 1000)),
    ):
        yield HostileFrames(family, f"{name} by the thousand", data * 3000, CHATTER)
    pieces = frame(TEXT, fin=False) + frame(CONTINUATION, fin=False) * 3000
    yield HostileFrames(family, "pieces of nothing by the thousand", pieces, CHATTER)
    yield HostileFrames(family, "pings a few", frame(PING) * 50, PASSED_OVER)
    yield HostileFrames(family, "zeros", b"\0" * 100_000, (1002, 1008))
    yield HostileFrames(family, "ones", b"\xff" * 100_000, (1002, 1008))
    yield HostileFrames(family, "another request", b"GET / HTTP/1.1\r\n\r\n" * 3, (1002,))
    yield HostileFrames(family, "TLS", b"\x16\x03\x01\x02\x00\x01\x00" * 9, (1002,))


def frame_corpus() -> list[HostileFrames]:
    """All of them."""
    families = (_messages, _fragments, _lengths, _headers, _texts, _closes, _floods)
    return [case for family in families for case in family()]
