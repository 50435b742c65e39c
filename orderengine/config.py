"""The settings, read from the environment here and nowhere else."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

PACKAGE_DIR = Path(__file__).parent


class ConfigurationError(Exception):
    """A setting is missing or wrong; the message names it and the rule."""


@dataclass(frozen=True, slots=True)
class Span:
    """An inclusive range of integers, written `LOW-HIGH`."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Simulation:
    """How the simulated market and network behave; spans are milliseconds or basis points."""

    seed: int
    quote_latency_ms: Span
    settlement_ms: Span
    spread_bps: Span
    drift_bps: Span
    block_ms: int
    validity_ms: int
    quote_fail_rate: float
    send_loss_rate: float
    answer_loss_rate: float
    chain_error_rate: float


@dataclass(frozen=True, slots=True)
class ArmedPoint:
    """Where a process is to kill itself, and at the how-manieth passage (from 1): for tests."""

    name: str
    passage: int


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set; `.env.example` explains each one."""

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    host: str
    port: int
    auth: str | None
    order_concurrency: int
    max_attempts: int
    retry_backoff_ms: int
    ws_max_sockets: int
    stuck_after_s: int
    instruments_file: Path
    log_level: str
    fail_point: ArmedPoint | None
    simulation: Simulation

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings; raises ConfigurationError naming the variable that is wrong."""
        env = _Reader(os.environ if environ is None else environ)
        return cls(
            database_url=sqlalchemy_url(env.required("DATABASE_URL")),
            redis_url=_redis_url(env),
            host=env.text("HOST", "0.0.0.0"),  # noqa: S104 - a PaaS routes to it from outside
            port=env.integer("PORT", 3000, 1, 65535),
            auth=_auth(env),
            order_concurrency=env.integer("ORDER_CONCURRENCY", 10, 1, 1000),
            max_attempts=env.integer("MAX_ATTEMPTS", 3, 1, 100),
            retry_backoff_ms=env.integer("RETRY_BACKOFF_MS", 500, 0, 30_000),
            ws_max_sockets=env.integer("WS_MAX_SOCKETS", 200, 1, 10_000),
            stuck_after_s=env.integer("STUCK_AFTER_S", 90, 1, 86_400),
            instruments_file=Path(
                env.text("INSTRUMENTS_FILE", str(PACKAGE_DIR / "instruments.csv"))
            ),
            log_level=_log_level(env),
            fail_point=env.armed_point("FAIL_POINT"),
            simulation=_simulation(env),
        )

    @property
    def asks_for_keys(self) -> bool:
        """Whether a web process lets nobody in without a key.

        Raises ConfigurationError where others can reach it and nobody has decided.
        """
        if self.auth is None and not is_loopback(self.host):
            message = f"AUTH must be set to required, or to off, when HOST is {self.host}"
            raise ConfigurationError(message)
        return self.auth == "REQUIRED"


@dataclass(frozen=True, slots=True)
class FlowerSettings:
    """What Flower needs: the broker and its own address, but no database."""

    redis_url: str = field(repr=False)
    host: str
    port: int
    basic_auth: tuple[str, ...] = field(repr=False)
    log_level: str

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "FlowerSettings":
        """Read the settings; raises ConfigurationError, also for a public address without users."""
        env = _Reader(os.environ if environ is None else environ)
        settings = cls(
            redis_url=_redis_url(env),
            host=env.text("FLOWER_HOST", "127.0.0.1"),
            port=env.integer("FLOWER_PORT", 5555, 1, 65535),
            basic_auth=_credentials(env.text("FLOWER_BASIC_AUTH", "")),
            log_level=_log_level(env),
        )
        if not settings.basic_auth and not is_loopback(settings.host):
            message = f"FLOWER_BASIC_AUTH must be set when FLOWER_HOST is {settings.host}"
            raise ConfigurationError(message)
        return settings


def _auth(env: "_Reader") -> str | None:
    """None where it is not set: on loopback that is `off`."""
    return env.choice("AUTH", "", ("REQUIRED", "OFF")) if env.text("AUTH", "") else None


def _log_level(env: "_Reader") -> str:
    return env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))


def _redis_url(env: "_Reader") -> str:
    cert_reqs = env.choice("REDIS_SSL_CERT_REQS", "REQUIRED", ("REQUIRED", "NONE"))
    return broker_url(env.required("REDIS_URL"), cert_reqs.lower())


def _credentials(text: str) -> tuple[str, ...]:
    """`user:password` pairs; a password alone, as hosts generate them, is the user `flower`'s."""
    parts = [part.strip() for part in text.split(",")] if text else []
    if len(parts) == 1 and ":" not in text:
        return (f"flower:{text}",)
    for part in parts:
        user, _, password = part.partition(":")
        if not user or not password:
            message = "FLOWER_BASIC_AUTH must be user:password; a comma separates several"
            raise ConfigurationError(message)
    return tuple(parts)


def is_loopback(host: str) -> bool:
    """True if nobody but this machine can reach a process that listens there."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _simulation(env: "_Reader") -> Simulation:
    return Simulation(
        seed=env.integer("SIM_SEED", 1, 0, 2**63 - 1),
        quote_latency_ms=env.span("SIM_QUOTE_LATENCY_MS", "150-250", 60_000),
        settlement_ms=env.span("SIM_SETTLEMENT_MS", "2000-3000", 600_000),
        spread_bps=env.span("SIM_SPREAD_BPS", "200-500", 5_000),
        drift_bps=env.span("SIM_DRIFT_BPS", "0-60", 5_000),
        block_ms=env.integer("SIM_BLOCK_MS", 400, 1, 60_000),
        validity_ms=env.integer("SIM_VALIDITY_MS", 60_000, 1, 3_600_000),
        quote_fail_rate=env.rate("SIM_QUOTE_FAIL_RATE"),
        send_loss_rate=env.rate("SIM_SEND_LOSS_RATE"),
        answer_loss_rate=env.rate("SIM_ANSWER_LOSS_RATE"),
        chain_error_rate=env.rate("SIM_CHAIN_ERROR_RATE"),
    )


def sqlalchemy_url(url: str) -> str:
    """Name the psycopg2 driver in any PostgreSQL URL.

    SQLAlchemy 2.1 reads `postgresql://` as psycopg 3 and refuses `postgres://`, which is what
    many hosts hand out. Raises ConfigurationError for another kind of URL.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.split("+")[0] not in {"postgres", "postgresql"}:
        raise ConfigurationError("DATABASE_URL must be a postgresql:// URL")
    return f"postgresql+psycopg2://{rest}"


def database_url(environ: Mapping[str, str] | None = None) -> str:
    """`DATABASE_URL` alone, for what needs nothing else; raises ConfigurationError."""
    return sqlalchemy_url(
        _Reader(os.environ if environ is None else environ).required("DATABASE_URL")
    )


def migration_database_url(environ: Mapping[str, str] | None = None) -> str:
    """Where migrations run: `DATABASE_URL_UNPOOLED` when set, else `DATABASE_URL`.

    A pooled host in transaction mode may not carry what a migration needs. Raises
    ConfigurationError if neither is set.
    """
    env = _Reader(os.environ if environ is None else environ)
    return sqlalchemy_url(env.text("DATABASE_URL_UNPOOLED", "") or env.required("DATABASE_URL"))


def broker_url(url: str, cert_reqs: str = "required") -> str:
    """Add to a `rediss://` URL the certificate check that Celery wants to see in it.

    A check that the URL names stays. Raises ConfigurationError for another kind of URL.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigurationError("REDIS_URL is no URL") from error
    if parts.scheme not in {"redis", "rediss"}:
        raise ConfigurationError("REDIS_URL must be a redis:// or rediss:// URL")
    if parts.scheme == "redis":
        return url
    query = {"ssl_cert_reqs": cert_reqs, **dict(parse_qsl(parts.query))}
    query["ssl_cert_reqs"] = query["ssl_cert_reqs"].lower().removeprefix("cert_")
    return urlunsplit(parts._replace(query=urlencode(query)))


class _Reader:
    """Reads variables from the environment; an empty one counts as not set."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str, default: str) -> str:
        return self._environ.get(name, "").strip() or default

    def required(self, name: str) -> str:
        value = self.text(name, "")
        if not value:
            message = f"{name} must be set"
            raise ConfigurationError(message)
        return value

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        return self._bounded(name, self.text(name, str(default)), low, high)

    def span(self, name: str, default: str, high: int) -> Span:
        first, _, last = self.text(name, default).partition("-")
        span = Span(
            self._bounded(name, first, 0, high), self._bounded(name, last or first, 0, high)
        )
        if span.low > span.high:
            message = f"{name} must be LOW-HIGH with LOW not above HIGH"
            raise ConfigurationError(message)
        return span

    def rate(self, name: str) -> float:
        text = self.text(name, "0")
        try:
            rate = float(text)
        except ValueError:
            rate = -1.0
        if not 0.0 <= rate <= 1.0:
            message = f"{name} must be a number from 0 to 1"
            raise ConfigurationError(message)
        return rate

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name, default).upper()
        if value not in allowed:
            message = f"{name} must be one of {', '.join(allowed)}"
            raise ConfigurationError(message)
        return value

    def armed_point(self, name: str) -> ArmedPoint | None:
        text = self.text(name, "")
        if not text:
            return None
        point, _, passage = text.partition(":")
        return ArmedPoint(point, self._bounded(name, passage, 1, 1_000_000))

    def _bounded(self, name: str, text: str, low: int, high: int) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            message = f"{name} must be an integer from {low} to {high}"
            raise ConfigurationError(message)
        return value
