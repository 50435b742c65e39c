"""Requests whose refusal must name exactly one field with one rule."""

from collections.abc import Iterable, Iterator

from tests.corpus.hostile import SWAP, Hostile, body_of, quoted

FULL_WIDTH_12 = "\uff11\uff12"
LONG_S = "\u017f"  # upper-cased it is an S
PAGE_CURSOR = "000660fa643be0007a5ffdcc5c7f46ecbee846ec4d08fdae"

ORDER = body_of()
NOT_JSON: tuple[tuple[bytes, str, str], ...] = (
    *((body, "body", "json") for body in (b"", b" ", b"\0", b"{", b"{}}", b"{'a':1}", b"{}{}")),
    (b"symbol=AAPL&side=buy", "body", "json"),
    (b"<order/>", "body", "json"),
    (ORDER + ORDER, "body", "json"),
    (ORDER[:-1] + b",}", "body", "json"),
    (b"\xef\xbb\xbf\xef\xbb\xbf" + ORDER, "body", "json"),
    (b"{}\xef\xbb\xbf", "body", "json"),
    (b'{"a":1} // no', "body", "json"),
    (body_of(symbol='"AAPL\n"'), "body", "json"),
    (b'{"a":"\x01"}', "body", "json"),
    (b'{"a":"\\x41"}', "body", "json"),
    *(
        (body_of(quantity=text), "body", "json")
        for text in ("1_0", "+1", "01", ".5", "5.", "0x10", FULL_WIDTH_12, "sNaN")
    ),
    (ORDER.decode().encode("utf-16"), "body", "utf8"),
    (body_of(symbol='"?"').replace(b"?", b"\xff"), "body", "utf8"),
    (b'{"a":"\xed\xa0\x80"}', "body", "utf8"),
    (body_of(quantity="NaN"), "quantity", "number"),
    (body_of(quantity="Infinity"), "quantity", "number"),
    (body_of(quantity="-Infinity"), "quantity", "number"),
    (body_of(slippageBps="[NaN]"), "slippageBps", "number"),
    (body_of(quantity="9" * 65), "quantity", "digits"),
    (body_of(quantity="0." + "0" * 4000 + "1"), "quantity", "digits"),
    (body_of(slippageBps="1" + "0" * 5000), "slippageBps", "digits"),
    (ORDER[:-1] + b',"side":"sell"}', "side", "duplicate"),
    (ORDER[:-1] + b',"s\\u0069de":"buy"}', "side", "duplicate"),
    (body_of(symbol='{"a":1,"a":1}'), "a", "duplicate"),
    (body_of(symbol='"AAPL\\u0000"'), "symbol", "text"),
    (body_of(symbol='"\\ud800"'), "symbol", "text"),
    (body_of(symbol='"\\udc00\\ud800"'), "symbol", "text"),
    (body_of(symbol='["\\ud800"]'), "symbol", "text"),
    (body_of(symbol='{"b\\u0000":1}'), "b\\x00", "text"),
    (body_of(**{"x\\u0000": "1"}), "x\\x00", "text"),
    (body_of(**{"\\ud800": "1"}), "\\ud800", "text"),
    (b"[" * 8000, "body", "depth"),
    (b'{"a":' * 1600, "body", "depth"),
    (body_of(symbol="[" * 8 + "]" * 8), "body", "depth"),
    (body_of(symbol='{"":' * 8 + "1" + "}" * 8), "body", "depth"),
    (b"[]", "body", "object"),
    (b'["symbol","side","quantity"]', "body", "object"),
    *((text, "body", "object") for text in (b'"order"', b"10", b"null", b"true", b"NaN")),
)


def texts(rule: str, *values: str) -> list[tuple[str, str]]:
    """Texts of a field, as JSON, that break this rule."""
    return [(quoted(value), rule) for value in values]


def literals(rule: str, *values: str) -> list[tuple[str, str]]:
    """JSON values of a field that break this rule."""
    return [(value, rule) for value in values]


NOT_VALID: dict[str, list[tuple[str, str]]] = {
    "symbol": [
        *literals("type", "null", "1", "true", '["AAPL"]', '{"$ne":""}'),
        *texts("known", "", "aap", " AAPL", "AAPL\u200b", f"{LONG_S}ol", f"{LONG_S}OL"),
        *texts("known", "AAPL' OR 1=1 --", "../../etc/passwd", "A" * 7000, "{self.__class__}"),
    ],
    "side": [
        *literals("type", "null", "0", "false", "[]"),
        *texts("one_of", "", "BUYS", "buy ", "short", "hold", f"{LONG_S}ell"),
    ],
    "quantity": [
        *literals("required", "null"),
        *literals("type", "true", "[]", "[10]", "{}", '{"value":10}'),
        *texts("decimal", "", " 1", "1 ", "1\n", "+1", "01", ".5", "5.", "1_000", "1,000", "1,5"),
        *texts("decimal", "1e2", "0x10", "sNaN", "NaN", "Infinity", "ten", FULL_WIDTH_12, "\u0661"),
        *literals("decimal", "1e999", "1e1000000", "1e-1000000", "1e100"),
        *texts("digits", "9" * 7000, "1" + "0" * 28, "0." + "1" * 28),
        *literals("digits", "1e99", "1e-99"),
        *literals("positive", "0", "-0", "0.0", "0e99", "-1", "-10", "-1e99"),
        *texts("positive", "0.000", "-0.5", "-0.000001"),
        *literals("min", "0.0000001", "1e-7"),
        *literals("max", "100000.000001", "1e20"),
        *texts("max", "100000.000001"),
        *literals("step", "1.0000001"),
        *texts("step", "1.0000001"),
    ],
    "slippageBps": [
        *literals("type", "true", '"100"', "[]"),
        *literals("integer", "1.5", "100.0", "1e2", "-0"),
        *literals("range", "-1", "10001", "9" * 60, "9" * 64),
    ],
    "quoteQuantity": literals("exclusive", "1", '"1.5"'),
    "worstPrice": [*texts("positive", "0", "-1"), *texts("decimal", "NaN")],
    "maxLegs": literals("range", "0", "3") + literals("type", '"2"') + literals("integer", "1.0"),
    **{
        name: literals("unknown", "1")
        for name in ("Symbol", "slippage_bps", "orderId", "status", "__proto__", "_schema", "")
    },
}
OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (body_of(**{"\\u001b[2J": "1"}), "\\x1b[2J", "unknown"),
    (body_of(**{"\\u202e": "1"}), "\\u202e", "unknown"),
    (body_of(**{"k" * 7000: "1"}), "k" * 40 + "...", "unknown"),
    *(
        (ORDER.replace(f'"{name}":{SWAP[name]}'.encode(), b'"type":null'), name, "required")
        for name in SWAP
    ),
)

QUERIES: dict[str, dict[str, dict[str, tuple[str, ...]]]] = {
    "/api/orders": {
        "status": {"one_of": ("done",)},
        "symbol": {"text": ("", "A" * 65, "AAPL%00", "AAPL%0A", "AAPL%E2%80%8B")},
        "limit": {"range": ("0", "101", "-1", "9" * 5000), "integer": ("1.0", "%EF%BC%91")},
        "cursor": {
            "cursor": (
                *("", "%C3%A9", "7a5ffdcc-5c7f-46ec-bee8-46ec4d08fdae", PAGE_CURSOR.upper()),
                *(PAGE_CURSOR[:-1], PAGE_CURSOR[:-1] + "_", PAGE_CURSOR + "%0A"),
            )
        },
        "offset": {"unknown": ("1",)},
    },
    "/ws/orders": {
        "orderId": {"uuid": ("", "42", "%7B{order}%7D", "{order}0")},
        "orderId={order}&after": {
            "integer": ("", "1.0", "%D9%A1", "1_0", "01"),
            "range": ("-1", "2147483648", "9" * 20, "2"),
            "repeated": ("1&after=1",),
        },
        "orderId={order}&orderId": {"repeated": ("{order}",)},
        "orderId={order}&since": {"unknown": ("1",)},
    },
}


def ruled() -> Iterator[Hostile]:
    """All of them."""
    fields = (
        (body_of(**{name: text}), name, rule)
        for name, values in NOT_VALID.items()
        for text, rule in values
    )
    yield from _bodies("not JSON", NOT_JSON)
    yield from _bodies("not valid", (*fields, *OTHERS))
    for path, names in QUERIES.items():
        for name, rules in names.items():
            for rule, values in rules.items():
                for value in values:
                    yield _query(f"{path}?{name}={value}", name.rpartition("&")[2], rule)


def _bodies(family: str, refused: Iterable[tuple[bytes, str, str]]) -> Iterator[Hostile]:
    for body, field, rule in refused:
        yield Hostile(family, f"{field} {rule} {body[:80]!r}", field, body=body, rule=rule)


def _query(path: str, field: str, rule: str) -> Hostile:
    return Hostile("query by rule", path, field, method="GET", path=path, rule=rule)
