"""Protection of every request: rate limits, known hosts, trusted proxies, security headers."""

from functools import lru_cache
from ipaddress import IPv4Address, ip_address, ip_network
from urllib.parse import urlsplit

from flask import Flask, Response, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

from orderengine.api.answers.handlers import answer_to
from orderengine.api.answers.problems import (
    RETRY_AFTER_S,
    ErrorCode,
    Refused,
    problem,
)
from orderengine.api.context import current_ports
from orderengine.config.addresses import is_loopback
from orderengine.execution.intake.limits import WINDOW_S, Allowance

ALWAYS_FREE = "/livez"
"""The liveness probe has no rate limit: it costs nothing."""

FILES = frozenset({"page.get_page", "page.get_static"})
"""Counted separately: the thirty files of a page load must not use up the limit for its data."""

NAMES_HELD = 1000
"""Hosts, and addresses, whose reading is kept: the same clients send one request after another."""

HSTS = "max-age=31536000"
# Answers are data: a browser must not load, run or frame anything because of them.
POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
SECURE_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def trust_proxies(app: Flask, hops: int) -> None:
    """Take the client's address and scheme from the last `hops` proxies, and from no others."""
    if hops:
        fixed = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)
        app.wsgi_app = fixed  # type: ignore[method-assign]


def refuse_foreign_names(app: Flask, known: frozenset[str] | None) -> None:
    """Refuse a Host that is neither loopback nor known; if `known` is None, serve any Host."""

    def check() -> Response | None:
        if known is None or _is_known(request.host, known):
            return None
        detail = "this service is for local use only, and Host names another machine"
        return problem(400, ErrorCode.BAD_REQUEST, detail)

    app.before_request(check)


@lru_cache(NAMES_HELD)
def _is_known(host: str, known: frozenset[str]) -> bool:
    name = _host_name(host)
    return name in known or is_loopback(name)


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def limit_addresses(app: Flask) -> None:
    """Limit the request rate of an address, before anything is looked up for it.

    The files of the page are counted separately, with the same limit.
    """

    def check() -> Response | None:
        limit = current_ports().limits.rate_per_address
        if not limit or request.path == ALWAYS_FREE:
            return None
        kind = "files" if request.endpoint in FILES else "address"
        return _spend(f"{kind}:{counted_address(request.remote_addr or '')}", limit)

    app.before_request(check)


@lru_cache(NAMES_HELD)
def counted_address(address: str) -> str:
    """The address to count requests by; for IPv6 its /64 network, which belongs to one host."""
    try:
        known = ip_address(address)
    except ValueError:
        return address
    if isinstance(known, IPv4Address):
        return address
    return str(known.ipv4_mapped or ip_network((known, 64), strict=False))


def limit_keys(app: Flask) -> None:
    """Limit the request rate of a key."""

    def check() -> Response | None:
        key_id = g.caller.key_id if "caller" in g else None
        limit = current_ports().limits.rate_per_key
        return _spend(f"key:{key_id}", limit) if key_id else None

    app.before_request(check)


def secure_answers(app: Flask) -> None:
    """Set the security headers that a view has not set itself, and those of the rate limit."""

    def secure(answer: Response) -> Response:
        headers = answer.headers
        # In one pass: `setdefault` reads all headers for each name, and raises for a missing one.
        given = {name.lower() for name, _ in headers}
        for name, text in SECURE_HEADERS.items():
            if name.lower() not in given:
                headers.add(name, text)
        if request.is_secure:
            headers.setdefault("Strict-Transport-Security", HSTS)
        allowance: Allowance | None = g.get("allowance")
        if allowance is not None:
            headers["RateLimit-Limit"] = str(allowance.limit)
            headers["RateLimit-Remaining"] = str(max(allowance.remaining, 0))
            headers["RateLimit-Reset"] = str(WINDOW_S)
        return answer

    app.after_request(secure)


def spend_more(orders: int) -> tuple[int, Refused | None]:
    """Count further orders of this request, as if each came alone.

    Returns how many of them may pass, and the refusal of the others. The request itself has been
    counted for its first order.
    """
    if not orders or not g.get("counted"):
        return orders, None
    count = current_ports().rates.count
    tightest = min(
        (Allowance(limit, limit - count(name, orders)) for name, limit in g.counted),
        key=lambda allowance: allowance.remaining,
    )
    g.allowance = tightest
    return max(0, min(orders, orders + tightest.remaining)), too_fast(tightest.limit)


def too_fast(limit: int) -> Refused:
    """The refusal of requests, or of orders of a batch, beyond a rate."""
    return Refused(
        429,
        ErrorCode.RATE_LIMITED,
        f"at most {limit} requests a second; retry shortly",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )


def _spend(name: str, limit: int) -> Response | None:
    if not limit:
        return None
    g.counted = [*g.get("counted", ()), (name, limit)]
    g.allowance = Allowance(limit, limit - current_ports().rates.count(name))
    if not g.allowance.is_spent:
        return None
    return answer_to(too_fast(limit))
