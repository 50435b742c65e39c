"""Headers, query strings and paths."""

from collections.abc import Iterator
from itertools import product

from tests.corpus.hostile import Hostile, body_of


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
    "/api/quotes": ("symbol", "side", "quantity", "quoteQuantity", "slippageBps", "maxLegs"),
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
    **{("/api/quotes", name): {"99999999999999999999"} for name in ("quantity", "quoteQuantity")},
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
        path = f"/api/orders/{text}"
        yield Hostile("path", f"cancel {text}"[:60], "", "DELETE", path, statuses=(404,))
