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
    "type": [*literals("type", "1", "{}"), *texts("one_of", "", "iceberg", f"{LONG_S}top")],
    **{
        name: [
            *literals("type", "true", "[]", "{}"),
            *literals("positive", "0", "-1", "-0.0"),
            *texts("positive", "0", "-1"),
            *texts("decimal", "NaN", "1e2", "1,5", FULL_WIDTH_12),
            *literals("digits", "1e99", "1e-99"),
        ]
        for name in ("limitPrice", "stopPrice")
    },
    "timeInForce": [*literals("type", "1", "[]"), *texts("one_of", "", "DAY", "GTC ", "GT\u0421")],
    "expiresAt": [
        *literals("type", "1", "1764460800", "{}"),
        *texts("time", "", "now", "infinity", "tomorrow", "2026-11-23", "20261123T120000Z"),
        *texts("time", "2026-11-23T12:00:00", "2026-11-23 12:00:00Z", "2026-11-23T12:00Z"),
        *texts("time", "2026-11-23T12:00:00+1", "2026-11-23T12:00:00+24:00", "+002026-11-23T12Z"),
        *texts("time", "2026-02-30T12:00:00Z", "2026-11-23T24:00:01Z", "2026-11-23T12:00:60Z"),
        *texts("time", "2026-11-23T12:00:00.1234567Z", "2026-11-23T12:00:00,5Z", "1764460800"),
        *texts(
            "time", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-01:00"
        ),
        *texts(
            "time", "2026-11-23T12:00:00Z\n", " 2026-11-23T12:00:00Z", "2026-11-23T12:00:0\u0661Z"
        ),
        *texts("time", "2026-W48-1T12:00:00Z", "2026-327T12:00:00Z", "2026-11-23T12:00:00[UTC]"),
    ],
    "trigger": [
        *literals("type", "1", "true", "[]", '"poolOpened"', '[{"on":"poolOpened"}]'),
        *literals("type", '"__proto__"'),
    ],
    "maxLegs": literals("range", "0", "3") + literals("type", '"2"') + literals("integer", "1.0"),
    **{
        name: literals("unknown", "1")
        for name in ("Symbol", "slippage_bps", "orderId", "status", "__proto__", "_schema", "")
    },
}
OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (body_of(**{"\\u001b[2J": "1"}), "\\x1b[2J", "unknown"),
    (body_of(**{"\\u202e": "1"}), "\\u202e", "unknown"),
    *(
        (body_of(trigger=text), f"trigger.{member}", rule)
        for text, member, rule in (
            ("{}", "on", "required"),
            ('{"on":null}', "on", "required"),
            ('{"on":1}', "on", "type"),
            ('{"on":{"$ne":1}}', "on", "type"),
            ('{"on":"poolClosed"}', "on", "one_of"),
            ('{"on":"poolOpened","minLiquidity":-1}', "minLiquidity", "positive"),
            ('{"on":"poolOpened","minLiquidity":"1e5"}', "minLiquidity", "decimal"),
            ('{"on":"poolOpened","minLiquidity":1e99}', "minLiquidity", "digits"),
            ('{"on":"liquidityAdded"}', "minLiquidity", "required"),
            ('{"on":"liquidityAdded","minLiquidity":0}', "minLiquidity", "required"),
            ('{"on":"poolOpened","__proto__":1}', "__proto__", "unknown"),
            ('{"on":"poolOpened","\\u001b[2J":1}', "\\x1b[2J", "unknown"),
        )
    ),
    *(
        (body_of(**{name: text}), name, rule)
        for name, text, rule in (
            ("limitPrice", "200", "type"),
            ("stopPrice", "200", "type"),
            ("trigger", '{"on":"poolOpened"}', "type"),
            ("timeInForce", '"GTC"', "choice"),
            ("expiresAt", '"2020-01-01T00:00:00Z"', "range"),
            ("expiresAt", '"9999-12-31T23:59:59Z"', "range"),
        )
    ),
    *(
        (body_of(type=quoted(kind)), name, "required")
        for kind, name in (("limit", "limitPrice"), ("stop", "stopPrice"), ("sniper", "trigger"))
    ),
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


CANCELS = (
    *("", "?", "?all=true&symbol=AAPL", "?symbol=AAPL&all=TRUE"),
    *("?all=false", "?all=", "?all=1", "?all=yes", "?all=true%00", "?all=%EF%BD%94rue"),
    *("?symbol=", "?symbol=A%00", "?symbol=AAPL&symbol=SOL", "?all=true&all=true"),
    *("?all=true&force=1", "?status=open", "?orderId={order}", "?all[]=true", "?All=true"),
)
"""Queries of a cancel of many, none of which says clearly what is to be canceled."""
TAGS = (
    "1",
    "",
    " ",
    "x",
    '"1',
    '1"',
    "W/1",
    'w/"1"',
    '"1" "2"',
    '"1",',
    ',"1"',
    "**",
    "*,*",
    "\u00e9",
)
AMENDMENTS: tuple[tuple[str, str, str], ...] = (
    ("{}", "body", "empty"),
    ('{"limitPrice":null}', "limitPrice", "type"),
    ('{"limitPrice":0}', "limitPrice", "positive"),
    ('{"limitPrice":true}', "limitPrice", "type"),
    ('{"stopPrice":"-1"}', "stopPrice", "positive"),
    ('{"worstPrice":"1e2"}', "worstPrice", "decimal"),
    ('{"quantity":"ten"}', "quantity", "decimal"),
    ('{"expiresAt":"now"}', "expiresAt", "time"),
    ('{"side":"sell"}', "side", "unknown"),
    ('{"symbol":"SOL"}', "symbol", "unknown"),
    ('{"status":"confirmed"}', "status", "unknown"),
    ('{"version":7}', "version", "unknown"),
    ('{"clientId":"local"}', "clientId", "unknown"),
    ('{"__proto__":{}}', "__proto__", "unknown"),
)


def changes() -> Iterator[Hostile]:
    """Amendments and cancels; the order that they name stays as it is."""
    json = {"Content-Type": "application/json"}
    for query in CANCELS:
        path = f"/api/orders{query}"
        yield Hostile("cancel", path, "|all|symbol|force|status|orderId|all[]|All", "DELETE", path)
    for tag in TAGS:
        headers = {**json, "If-Match": tag}
        body = b'{"limitPrice":1}'
        yield Hostile("entity tag", tag, "If-Match", "PATCH", "/api/orders/{order}", body, headers)
    for text, field, rule in AMENDMENTS:
        headers = {**json, "If-Match": '"1"'}
        body = text.encode()
        path = "/api/orders/{order}"
        yield Hostile("amendment", text, field, "PATCH", path, body, headers, rule=rule)


def ruled() -> Iterator[Hostile]:
    """All of them."""
    yield from changes()
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
