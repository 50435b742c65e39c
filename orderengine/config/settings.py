"""The settings; only this module reads them from the environment."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

from orderengine.config.addresses import is_loopback
from orderengine.config.host_lists import with_hosts_as_options
from orderengine.config.solana import SolanaSettings, WalletKey
from orderengine.config.url_options import unknown_option, variables_of_libpq, wrong_redis_option
from orderengine.config.variables import ArmedPoint, ConfigurationError, Reader, credentials
from orderengine.market.simulation import Simulation

__all__ = ["ArmedPoint", "ConfigurationError", "FlowerSettings", "Settings"]

PACKAGE_DIR = Path(__file__).parents[1]
INSTRUMENTS = PACKAGE_DIR / "instruments.csv"

_NOT_QUOTED = "has a user or password with :/?#[]@ that are not percent-encoded"
BROKER_VARIABLES = ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL")
GONE = ("FAST_LANE",)
"""Settings that this release does not have any more."""
_IGNORED = (*BROKER_VARIABLES, *GONE)
WEB_OPTIONS = re.compile("GUNICORN_CMD_ARGS|SCRIPT_NAME")  # gunicorn's, override its configuration
WORKER_OPTIONS = re.compile("CELERY_WORKER_[A-Z_]+")  # each sets an option of Celery's command
_REDIS_PATH = re.compile(r"/?[0-9]*")


@dataclass(frozen=True, slots=True)
class Protection:
    """The limits of a web process; 0 is no limit. `bootstrap` decides which of them apply."""

    rate_per_key: int
    rate_per_address: int
    max_open_orders: int
    max_waiting_orders: int
    max_queued_orders: int
    max_sockets_per_client: int
    orders_disabled: bool
    allowed_origins: frozenset[str]
    proxy_hops: int


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; `.env.example` explains each one."""

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    host: str
    port: int
    auth: str | None
    protection: Protection
    order_concurrency: int
    max_order_notional: int
    max_daily_notional: int
    max_attempts: int
    attempt_backoff_ms: int
    recovery_after_ms: int
    recovery_interval_ms: int
    watch_tick_ms: int
    ws_max_sockets: int
    web_concurrency: int
    stuck_after_s: int
    instruments_file: Path
    log_level: str
    fail_point: ArmedPoint | None
    simulation: Simulation
    solana: SolanaSettings | None
    """The live network; None is the simulated one."""
    ignored: tuple[str, ...]
    """Variables that are set but ignored: those of Celery's broker, and those that are gone."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings; raises ConfigurationError that names the wrong variable."""
        env = Reader(os.environ if environ is None else environ)
        return cls(
            database_url=sqlalchemy_url(env.required("DATABASE_URL")),
            redis_url=_redis_url(env),
            host=env.text("HOST", "0.0.0.0"),  # noqa: S104 - a PaaS routes to it from outside
            port=env.integer("PORT", 3000, 1, 65535),
            auth=_auth(env),
            protection=_protection(env),
            order_concurrency=env.integer("ORDER_CONCURRENCY", 10, 1, 1000),
            max_order_notional=env.integer("MAX_ORDER_NOTIONAL", 50_000_000, 0, 10**12),
            max_daily_notional=env.integer("MAX_DAILY_NOTIONAL", 0, 0, 10**12),
            max_attempts=env.integer("MAX_ATTEMPTS", 3, 1, 100),
            attempt_backoff_ms=env.integer("RETRY_BACKOFF_MS", 500, 0, 30_000),
            recovery_after_ms=env.integer("RECOVERY_AFTER_MS", 5000, 500, 600_000),
            recovery_interval_ms=env.integer("RECOVERY_INTERVAL_MS", 1000, 100, 2000),
            watch_tick_ms=env.integer("WATCH_TICK_MS", 500, 50, 1000),
            ws_max_sockets=env.integer("WS_MAX_SOCKETS", 5000, 1, 100_000),
            web_concurrency=env.integer("WEB_CONCURRENCY", 1, 1, 64),
            stuck_after_s=env.integer("STUCK_AFTER_S", 90, 1, 86_400),
            instruments_file=Path(env.text("INSTRUMENTS_FILE", str(INSTRUMENTS))),
            log_level=_log_level(env),
            fail_point=env.armed_point("FAIL_POINT"),
            simulation=Simulation.from_variables(env),
            solana=SolanaSettings.from_variables(env),
            ignored=env.set_among(_IGNORED),
        )

    @property
    def asks_for_keys(self) -> bool:
        """Whether a web process requires a key.

        Raises ConfigurationError if other machines can reach it and AUTH is not set.
        """
        if self.auth is None and self.is_reachable:
            why = f"HOST is {self.host}"
            if is_loopback(self.host):
                why = f"PROXY_HOPS is {self.protection.proxy_hops}"
            message = f"AUTH must be set to required, or to off, when {why}"
            raise ConfigurationError(message)
        return self.auth == "REQUIRED"

    @property
    def is_reachable(self) -> bool:
        """Whether other machines can reach a web process, directly or through a proxy."""
        return not is_loopback(self.host) or self.protection.proxy_hops > 0

    @property
    def known_hosts(self) -> frozenset[str] | None:
        """The names of a purely local service besides loopback's; None, for any, on other services.

        Without keys, a foreign page must not be able to act as a page of this service by pointing
        its own host name to this machine.
        """
        if self.asks_for_keys or self.is_reachable:
            return None
        origins = self.protection.allowed_origins
        return frozenset(urlsplit(origin).hostname or "" for origin in origins)


@dataclass(frozen=True, slots=True)
class FlowerSettings:
    """The settings of Flower: the broker and its own address, but no database."""

    redis_url: str = field(repr=False)
    host: str
    port: int
    basic_auth: tuple[str, ...] = field(repr=False)
    log_level: str
    ignored: tuple[str, ...] = ()

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "FlowerSettings":
        """Read the settings; raises ConfigurationError, also for a public address without users."""
        env = Reader(os.environ if environ is None else environ)
        settings = cls(
            redis_url=_redis_url(env),
            host=env.text("FLOWER_HOST", "127.0.0.1"),
            port=env.integer("FLOWER_PORT", 5555, 1, 65535),
            basic_auth=credentials(env.text("FLOWER_BASIC_AUTH", "")),
            log_level=_log_level(env),
            ignored=env.set_among(_IGNORED),
        )
        if not settings.basic_auth and not is_loopback(settings.host):
            message = f"FLOWER_BASIC_AUTH must be set when FLOWER_HOST is {settings.host}"
            raise ConfigurationError(message)
        return settings


def _auth(env: Reader) -> str | None:
    """None if AUTH is not set, which means `off` on loopback."""
    return env.choice("AUTH", "", ("REQUIRED", "OFF")) if env.text("AUTH", "") else None


def _log_level(env: Reader) -> str:
    return env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))


def _redis_url(env: Reader) -> str:
    cert_reqs = env.choice("REDIS_SSL_CERT_REQS", "REQUIRED", ("REQUIRED", "NONE"))
    return broker_url(env.required("REDIS_URL"), cert_reqs.lower())


def refuse_overruling(options: re.Pattern[str], environ: Mapping[str, str] | None = None) -> None:
    """Raise ConfigurationError for a variable that would override how web or worker is set up."""
    given = os.environ if environ is None else environ
    for name in sorted(given):
        if given[name].strip() and options.fullmatch(name):
            raise ConfigurationError(f"{name} would change how this process runs: unset it")


def wallet_key(environ: Mapping[str, str] | None = None) -> WalletKey:
    """Where the wallet's key is, for a worker alone; raises ConfigurationError."""
    return WalletKey.from_variables(Reader(os.environ if environ is None else environ))


def libpq_note() -> str:
    """The end of an error text: the variables that libpq obeys besides DATABASE_URL."""
    return variables_of_libpq(os.environ)


def _protection(env: Reader) -> Protection:
    return Protection(
        rate_per_key=env.integer("RATE_PER_KEY", 50, 0, 100_000),
        rate_per_address=env.integer("RATE_PER_ADDRESS", 100, 0, 100_000),
        max_open_orders=env.integer("MAX_OPEN_ORDERS", 1000, 0, 1_000_000),
        max_waiting_orders=env.integer("MAX_WAITING_PER_CLIENT", 5000, 0, 1_000_000),
        max_queued_orders=env.integer("MAX_QUEUED_ORDERS", 10_000, 0, 10_000_000),
        max_sockets_per_client=env.integer("MAX_SOCKETS_PER_CLIENT", 50, 0, 10_000),
        orders_disabled=env.integer("ORDERS_DISABLED", 0, 0, 1) == 1,
        allowed_origins=env.origins("ALLOWED_ORIGINS"),
        proxy_hops=env.integer("PROXY_HOPS", 0, 0, 10),
    )


def sqlalchemy_url(url: str) -> str:
    """Name the psycopg2 driver in any PostgreSQL URL.

    SQLAlchemy 2.1 reads `postgresql://` as psycopg 3 and refuses `postgres://`, which many hosts
    provide. A list of hosts, `host1:5432,host2:5432`, is rewritten for SQLAlchemy. Raises
    ConfigurationError for another kind of URL.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.split("+")[0] not in {"postgres", "postgresql"}:
        raise ConfigurationError("DATABASE_URL must be a postgresql:// URL")
    rest = with_hosts_as_options(rest)
    url = f"postgresql://{rest}"
    parts = _parts("DATABASE_URL", url)
    if "@" in parts.path:
        raise ConfigurationError(f"DATABASE_URL {_NOT_QUOTED}")
    if unknown := unknown_option(parts.query):
        raise ConfigurationError(f"DATABASE_URL has ?{unknown}=, not a libpq option: remove it")
    return f"postgresql+psycopg2://{rest}"


def database_url(environ: Mapping[str, str] | None = None) -> str:
    """`DATABASE_URL` alone, for callers that need no other setting; raises ConfigurationError."""
    env = Reader(os.environ if environ is None else environ)
    return sqlalchemy_url(env.required("DATABASE_URL"))


def migration_database_url(environ: Mapping[str, str] | None = None) -> str:
    """The database to migrate: `DATABASE_URL_UNPOOLED` if set, else `DATABASE_URL`.

    A pooled host in transaction mode may not support a migration. Raises ConfigurationError if
    neither is set.
    """
    env = Reader(os.environ if environ is None else environ)
    return sqlalchemy_url(env.text("DATABASE_URL_UNPOOLED", "") or env.required("DATABASE_URL"))


def broker_url(url: str, cert_reqs: str = "required") -> str:
    """Add the certificate check that Celery requires to a `rediss://` URL.

    A check in the URL stays. Raises ConfigurationError for another kind of URL.
    """
    parts = _parts("REDIS_URL", url)
    if parts.scheme not in {"redis", "rediss"}:
        raise ConfigurationError("REDIS_URL must be a redis:// or rediss:// URL")
    if not _REDIS_PATH.fullmatch(parts.path):
        raise ConfigurationError(
            f"REDIS_URL must end in the number of a database, or it {_NOT_QUOTED}"
        )
    if not parts.hostname:
        raise ConfigurationError("REDIS_URL must name a host, for example redis://host:6379/0")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.scheme == "rediss":
        given = query.get("ssl_cert_reqs", cert_reqs)
        query["ssl_cert_reqs"] = given.lower().removeprefix("cert_")
    if fault := wrong_redis_option(parts.scheme, query):
        raise ConfigurationError(f"REDIS_URL {fault}")
    if parts.scheme == "redis":
        return url
    return urlunsplit(parts._replace(query=urlencode(query)))


def _parts(name: str, url: str) -> SplitResult:
    """Split a URL; raises ConfigurationError for an invalid port.

    A driver's own error for an invalid port repeats a part of the password.
    """
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises ValueError if invalid
    except ValueError:
        # Not "from error", which may repeat a part of the password.
        raise ConfigurationError(f"{name} is not a URL with a port, or it {_NOT_QUOTED}") from None
    return parts
