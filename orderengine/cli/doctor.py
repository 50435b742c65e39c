"""`doctor`: checks everything that the engine depends on, and says what to do."""

import http.client
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from orderengine.cli.common import (
    EXIT_FAILED,
    Surroundings,
    json_option,
    service_option,
    tell_json,
)
from orderengine.cli.service import NoAnswer, Service
from orderengine.config.addresses import place_of, reachable_host
from orderengine.config.settings import ConfigurationError, FlowerSettings, Settings, libpq_note
from orderengine.domain.errors import StorageCause, StorageUnavailable
from orderengine.domain.instruments import Instruments
from orderengine.execution.operations.archive import OVERDUE_S
from orderengine.redis.advice import state_and_advice

if TYPE_CHECKING:
    from orderengine.bootstrap.operator import OperatorPorts

ADVICE = {
    StorageCause.MIGRATIONS: "run: make migrate",
    StorageCause.READ_ONLY: (
        "point DATABASE_URL to the primary, and check default_transaction_read_only: hosts set it"
        " when the disk is full"
    ),
    StorageCause.DISK_FULL: "make room on the server's disk",
    StorageCause.NO_RIGHTS: "grant them, or use the user that ran the migrations",
    StorageCause.NO_ACCESS: "correct user, password or database in DATABASE_URL",
    StorageCause.TLS: (
        "set sslmode in DATABASE_URL: disable for a server without TLS, require for one with it;"
        " sslrootcert names the authority of its certificate"
    ),
    StorageCause.NO_CONNECTION_LEFT: "raise max_connections, or lower ORDER_CONCURRENCY",
    StorageCause.STARTING: "wait: it is starting, stopping or recovering",
}
OLDEST_REDIS = (6, 2)
FLOWER_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; `advice` says what to do, and is empty when all is well."""

    name: str
    detail: str
    advice: str = ""

    @property
    def ok(self) -> bool:
        """True when all is well."""
        return not self.advice


@click.command(short_help="Check everything that the engine needs, and say what to do.")
@click.option("--no-api", is_flag=True, help="Skip the API.")
@click.option("--no-flower", is_flag=True, help="Skip Flower.")
@json_option
@service_option
def doctor(service: Service, *, no_api: bool, no_flower: bool, as_json: bool) -> None:
    """Check settings, PostgreSQL, Redis, a worker, the reconciler's lag, the API and Flower.

    On a live network it checks nodes, cluster, wallet, tokens and pools as well.

    Exits with 0 if all is well, else with 1. Each finding says what to do.
    """
    environ = Surroundings.current().environ
    findings = list(examine(environ))
    if not no_api:
        findings += _api(service, environ)
    if not no_flower:
        findings.append(_flower(environ))
    if as_json:
        tell_json({"checks": [asdict(each) | {"ok": each.ok} for each in findings]})
    else:
        for each in findings:
            word = (
                click.style("ok  ", "green") if each.ok else click.style("FAIL", "red", bold=True)
            )
            click.echo(f"{word}  {each.name:<11} {each.detail}")
            if not each.ok:
                click.echo(f"      {'':<11} -> {each.advice}")
    if not all(each.ok for each in findings):
        sys.exit(EXIT_FAILED)


def examine(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Check all but the API and Flower; if the settings are wrong, check nothing else."""
    from orderengine.bootstrap.common import load_instruments
    from orderengine.bootstrap.operator import build_operator

    try:
        settings = Settings.from_env(environ)
        instruments = load_instruments(settings)
    except (ConfigurationError, OSError, ValueError) as error:
        advice = "correct it in the environment or in .env (see .env.example), or use make run"
        yield Finding("settings", str(error), advice)
        return
    ignored = "".join(f"; {name} is ignored" for name in settings.ignored)
    yield Finding("settings", f"complete; {len(list(instruments))} instruments{ignored}")
    ports = build_operator(settings)
    yield _database(ports, place_of(settings.database_url))
    yield from _connections(ports)
    causes = ports.probes.degraded()
    yield _redis(ports, place_of(settings.redis_url), causes.get("redis"))
    yield _worker(causes)
    yield _lag(ports)
    yield from _network(ports, settings, instruments, environ)


def _network(
    ports: "OperatorPorts", settings: Settings, instruments: Instruments, environ: Mapping[str, str]
) -> Iterator[Finding]:
    """The nodes, the wallet and the pools of a live network."""
    if settings.solana is None:
        return
    from orderengine.bootstrap.network import live_module

    try:
        checks = live_module("live_checks")
    except ConfigurationError as error:
        yield Finding("network", str(error), "install it: web and worker do not start either")
        return
    for each in checks.looks(settings.solana, instruments, environ, ports.unknown):
        yield Finding(each.name, each.detail, each.advice)


def _database(ports: "OperatorPorts", place: str) -> Finding:
    fault = ports.probes.database_fault()
    if fault is None:
        return Finding("postgresql", f"takes writes at {place}, and its migrations are current")
    advice = ADVICE.get(fault.cause, "is DATABASE_URL right, and the server up?")
    return Finding("postgresql", f"{place}: {fault.detail}", advice + libpq_note())


def _connections(ports: "OperatorPorts") -> Iterator[Finding]:
    """Whether the server allows enough; skips a pooler, which shares its own connections."""
    limit = ports.connection_limit()
    if limit is None or limit.is_pooled:
        return
    needed = ports.connections_wanted
    detail = f"{limit.allowed} are allowed; one web service and one worker need up to {needed}"
    advice = (
        "raise max_connections (or the limit of the role or the database), lower"
        " ORDER_CONCURRENCY, or put a pooler in between"
    )
    yield Finding("connections", detail, "" if limit.allowed >= needed else advice)


def _redis(ports: "OperatorPorts", place: str, cause: str | None) -> Finding:
    """Check first whether it takes messages, over the connection that sends them."""
    trouble = ports.redis_trouble()
    if trouble is not None:
        return Finding("redis", trouble.detail, trouble.advice)
    if cause is not None:
        state, advice = state_and_advice(cause)
        return Finding("redis", f"{place} {state}", advice)
    facts = ports.redis_facts()
    if isinstance(facts, str):
        # Many hosts forbid INFO, and the engine does not need it.
        return Finding(
            "redis", f"takes messages at {place}; it reports nothing about itself ({facts})"
        )
    detail = f"{facts.kind} {facts.version} at {place}, {facts.policy}"
    if facts.kind == "Redis" and _numbers(facts.version) < OLDEST_REDIS:
        return Finding("redis", detail, "use Redis 6.2 or newer, or Valkey")
    if facts.policy != "noeviction":
        advice = "set maxmemory-policy to noeviction: an evicted message delays its order"
        return Finding("redis", detail, advice)
    return Finding("redis", detail)


def _worker(missing: Mapping[str, str]) -> Finding:
    if "redis" in missing:
        return Finding("worker", "unknown: workers report through Redis", "fix Redis first")
    if "worker" in missing:
        advice = "start one (the Procfile's worker line, or make run), or look at its log"
        return Finding("worker", "no heartbeat for 5 s", advice)
    return Finding("worker", "sends heartbeats")


def _lag(ports: "OperatorPorts") -> Finding:
    from orderengine.postgres.database import DATABASE_DEFECTS
    from orderengine.postgres.outages import WORDS, lacks_migrations

    try:
        lag = ports.archive.lag()
    except StorageUnavailable as error:
        return Finding("reconciler", str(error), "fix PostgreSQL first")
    except DATABASE_DEFECTS as error:
        if not lacks_migrations(error):
            raise
        return Finding("reconciler", WORDS[StorageCause.MIGRATIONS], "fix PostgreSQL first")
    detail = "no order is due"
    if lag.orders:
        detail = f"{lag.orders} orders are due, the first for {lag.oldest_s:.1f} s"
    if lag.oldest_s > OVERDUE_S:
        if (foreign := sum(ports.foreign_orders().values())) >= lag.orders:
            others = f"{foreign} open orders belong to another network or wallet"
            return Finding("reconciler", others, "restore the settings that orders stuck names")
        return Finding("reconciler", detail, "no worker claims them: is one running? see its log")
    return Finding("reconciler", detail)


def _what_mends(degraded: Sequence[str]) -> str:
    if "trading" not in degraded:
        return "fix what is missing; for stuck orders, run: orders stuck"
    others = "" if len(degraded) == 1 else "; fix what else is missing"
    return f"an operator has halted trading; to end that, run: resume{others}"


def _api(service: Service, environ: Mapping[str, str]) -> Iterator[Finding]:
    try:
        status, document, _ = service.readiness()
        is_closed = service.asks_for_keys()
    except NoAnswer:
        yield Finding("api", f"no answer from {service.shown}", _what_starts_web(environ))
        return
    causes = document.get("causes", {})
    degraded = [
        f"{name} ({causes[name]})" if name in causes else name
        for name in document.get("degraded", ())
    ]
    missing = ", ".join(degraded)
    if status != http.client.OK:
        detail = f"{service.shown} takes no orders: {document.get('detail', status)}"
        yield Finding("api", detail, "fix the named cause, as the web process sees it")
    elif missing:
        detail = f"{service.shown} is degraded: {missing}"
        yield Finding("api", detail, _what_mends(document["degraded"]))
    else:
        yield Finding("api", f"answers at {service.shown}, and takes orders")
    if is_closed:
        yield Finding("access", "the API asks for keys (AUTH=required)")
    else:
        yield Finding("access", "everybody who reaches the API is the same client (AUTH=off)")


def _what_starts_web(environ: Mapping[str, str]) -> str:
    advice = "start it (the Procfile's web line, or make run), name it with --url, or use --no-api"
    try:
        Settings.from_env(environ).asks_for_keys  # noqa: B018 - raises if AUTH is undecided
    except ConfigurationError as error:
        return f"{advice}; the web line does not start: {error}"
    return advice


def _flower(environ: Mapping[str, str]) -> Finding:
    try:
        settings = FlowerSettings.from_env(environ)
    except ConfigurationError as error:
        return Finding("flower", str(error), "set what it asks for, or use --no-flower")
    host = reachable_host(settings.host)
    connection = http.client.HTTPConnection(host, settings.port, timeout=FLOWER_TIMEOUT_S)
    place = f"{host}:{settings.port}"
    try:
        connection.request("GET", "/healthcheck")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException):
        advice = "start it (the Procfile's flower line), or use --no-flower"
        return Finding("flower", f"nothing answers at {place}", advice)
    finally:
        connection.close()
    if status != http.client.OK:
        advice = "another program has its port: set FLOWER_PORT"
        return Finding("flower", f"{place} answers with status {status}", advice)
    return Finding("flower", f"answers at {place}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
