"""What holds for every request: rates, the headers of every answer, and whom a proxy speaks for."""

from ipaddress import IPv4Address, ip_address, ip_network
from urllib.parse import urlsplit

from flask import Flask, Response, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

from orderengine.addresses import is_loopback
from orderengine.api.context import current_ports
from orderengine.api.errors import RETRY_AFTER_S, ErrorCode, problem
from orderengine.execution.limits import WINDOW_S, Allowance

ALWAYS_FREE = "/livez"
"""A host asks it to know whether the process lives; nothing is looked at for it."""

FILES = frozenset({"page.get_page", "page.get_static"})
"""Loading the page asks for some thirty files at once, which must not cost it its first data."""

HSTS = "max-age=31536000"
# What is answered here is data: nothing may be loaded, run or framed because of it.
POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
SECURE_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def trust_proxies(app: Flask, hops: int) -> None:
    """Believe what the last `hops` proxies say of the client's address and scheme, and no other."""
    if hops:
        fixed = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)
        app.wsgi_app = fixed  # type: ignore[method-assign]


def refuse_foreign_names(app: Flask, known: frozenset[str] | None) -> None:
    """Serve nobody who asks for another name than loopback's or a known one; None is any name."""

    def check() -> Response | None:
        name = _host_name(request.host)
        if known is None or name in known or is_loopback(name):
            return None
        detail = "this service is for its own machine, and is not known there by this Host"
        return problem(400, ErrorCode.BAD_REQUEST, detail)

    app.before_request(check)


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def limit_addresses(app: Flask) -> None:
    """Refuse an address that asks too often, before anything is looked up for it.

    The files of the page are counted by themselves, up to the same limit.
    """

    def check() -> Response | None:
        limit = current_ports().limits.rate_per_address
        name = counted_address(request.remote_addr or "")
        kind = "files" if request.endpoint in FILES else "address"
        return _spend(f"{kind}:{name}", limit) if request.path != ALWAYS_FREE else None

    app.before_request(check)


def counted_address(address: str) -> str:
    """Whose requests are counted together: of IPv6 a network of 64 bits, which is one host's."""
    try:
        known = ip_address(address)
    except ValueError:
        return address
    if isinstance(known, IPv4Address):
        return address
    return str(known.ipv4_mapped or ip_network((known, 64), strict=False))


def limit_keys(app: Flask) -> None:
    """Refuse a key that is used too often."""

    def check() -> Response | None:
        key_id = g.caller.key_id if "caller" in g else None
        limit = current_ports().limits.rate_per_key
        return _spend(f"key:{key_id}", limit) if key_id else None

    app.before_request(check)


def secure_answers(app: Flask) -> None:
    """Set the headers that browsers keep to, where a view has not set its own."""

    def secure(answer: Response) -> Response:
        headers = answer.headers
        for name, text in SECURE_HEADERS.items():
            headers.setdefault(name, text)
        if request.is_secure:
            headers.setdefault("Strict-Transport-Security", HSTS)
        allowance: Allowance | None = g.get("allowance")
        if allowance is not None:
            headers["RateLimit-Limit"] = str(allowance.limit)
            headers["RateLimit-Remaining"] = str(max(allowance.remaining, 0))
            headers["RateLimit-Reset"] = str(WINDOW_S)
        return answer

    app.after_request(secure)


def _spend(name: str, limit: int) -> Response | None:
    if not limit:
        return None
    g.allowance = Allowance(limit, limit - current_ports().rates.count(name))
    if not g.allowance.is_spent:
        return None
    return problem(
        429,
        ErrorCode.RATE_LIMITED,
        f"at most {limit} requests a second; ask again shortly",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )
