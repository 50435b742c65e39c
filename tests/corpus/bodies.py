"""Bodies of orders, by families: what a field may hold, times the fields."""

from collections.abc import Iterator
from itertools import product

from tests.corpus.hostile import SWAP, Hostile, body_of, quoted

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
    for name in (*SWAP, "slippageBps", "worstPrice", "maxLegs", "quoteQuantity"):
        # Null is allowed for an optional field.
        for text in WRONG_TYPES if name in SWAP else WRONG_TYPES[1:]:
            yield Hostile("wrong type", f"{name} {text}", name, body=body_of(**{name: text}))
    yield from numbers()
    for text in (*INJECTIONS, *LOOK_ALIKES[:3], "", "a" * 65, "a b", "a/b"):
        if text not in {"__proto__", "constructor"}:
            body = body_of(clientOrderId=quoted(text))
            yield Hostile("name", f"clientOrderId {text}", "clientOrderId", body=body)
    yield from smuggled()


AMOUNTS = ("quantity", "worstPrice", "quoteQuantity")


def numbers() -> Iterator[Hostile]:
    """Numbers of an order."""
    for name, text in product((*AMOUNTS, "slippageBps", "maxLegs"), WRONG_NUMBERS):
        is_allowed = (name == "slippageBps" and text in {"0", "-0"}) or (
            name == "worstPrice" and text in {"1e20", "1e-20", "999999999999999999999"}
        )
        if not is_allowed:
            body = body_of(**{name: text})
            yield Hostile("wrong number", f"{name} {text[:20]}", f"{name}|body", body=body)
    for name, text in product(AMOUNTS, WRONG_TEXTS):
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
