"""The settings: read, bounded, explained, and never shown with their secrets."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import make_url
from sqlalchemy.dialects.postgresql import psycopg2

from orderengine.config import settings, solana
from orderengine.config.settings import ConfigurationError, Settings
from orderengine.dispatch.app import create_celery
from orderengine.market import simulation
from orderengine.market.simulation import Span

ROOT = Path(__file__).parents[2]
OF_THE_SYSTEM = {"LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "NO_COLOR"}
REFUSED = {"GUNICORN_CMD_ARGS", "FORWARDED_ALLOW_IPS"}
URLS = {"DATABASE_URL": "postgres://u:secret@h/db", "REDIS_URL": "redis://:secret@h:6379/0"}
LIVE = {**URLS, "NETWORK": "solana", "SOLANA_RPC_URL": "https://node.example/?api-key=secret"}


def test_the_defaults_are_those_of_the_documentation() -> None:
    settings = Settings.from_env(URLS)
    assert (settings.port, settings.order_concurrency, settings.max_attempts) == (3000, 10, 3)
    assert settings.simulation.settlement_ms == Span(2000, 3000)


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:p@h/db",
        "postgresql://u:p@h/db",
        "postgresql+psycopg2://u:p@h/db",
        "postgresql+psycopg://u:p@h/db",
    ],
)
def test_any_postgresql_url_names_the_installed_driver(url: str) -> None:
    settings = Settings.from_env({**URLS, "DATABASE_URL": url})
    assert settings.database_url == "postgresql+psycopg2://u:p@h/db"


@pytest.mark.parametrize(
    ("hosts", "found"),
    [
        ("h1:5433,h2", {"host": "h1,h2", "port": "5433,5432"}),
        ("[::1]:5433,[fe80::2]:5434", {"host": "::1,fe80::2", "port": "5433,5434"}),
        ("h1,h2,h3", {"host": "h1,h2,h3", "port": "5432,5432,5432"}),
    ],
)
def test_a_url_may_name_a_list_of_hosts(hosts: str, found: Mapping[str, str]) -> None:
    url = f"postgres://u:a%2Cb@{hosts}/db?sslmode=require"
    settings = Settings.from_env({**URLS, "DATABASE_URL": url})
    driver: Any = psycopg2.dialect
    _, arguments = driver().create_connect_args(make_url(settings.database_url))
    rest = {"user": "u", "password": "a,b", "dbname": "db", "sslmode": "require"}
    assert arguments == {**found, **rest}


@pytest.mark.parametrize("hosts", ["h1:5432,h2:x", "h1,,h2", "h1:1,h2:3:4"])
def test_a_wrong_list_of_hosts_is_named_without_its_secrets(hosts: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL has a list with a host") as refused:
        Settings.from_env({**URLS, "DATABASE_URL": f"postgres://u:secret@{hosts}/db"})
    assert "secret" not in str(refused.value)


def test_a_hosted_url_keeps_its_options() -> None:
    url = "postgres://u:p@h/db?sslmode=require&channel_binding=require"
    settings = Settings.from_env({**URLS, "DATABASE_URL": url})
    assert settings.database_url.endswith("/db?sslmode=require&channel_binding=require")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://h/1", "redis://h/1"),
        ("rediss://h/1", "rediss://h/1?ssl_cert_reqs=required"),
        ("rediss://h/1?ssl_cert_reqs=none", "rediss://h/1?ssl_cert_reqs=none"),
        ("rediss://h/1?ssl_cert_reqs=CERT_NONE", "rediss://h/1?ssl_cert_reqs=none"),
    ],
)
def test_a_tls_url_says_how_certificates_are_checked(url: str, expected: str) -> None:
    assert Settings.from_env({**URLS, "REDIS_URL": url}).redis_url == expected


@pytest.mark.parametrize(
    "query", ["ssl_check_hostname=false", f"ssl_ca_certs={__file__}", "ssl_ciphers=HIGH"]
)
def test_the_options_of_tls_that_both_clients_know_stay(query: str) -> None:
    url = Settings.from_env({**URLS, "REDIS_URL": f"rediss://h/1?{query}"}).redis_url
    assert query.replace("/", "%2F") in url
    connection: Any = create_celery(url).connection()
    name, _, value = query.partition("=")
    assert str(connection.ssl[name]).lower() == value.lower()
    assert name in redis.ConnectionPool.from_url(url).connection_kwargs


def test_a_host_that_signs_its_own_certificates_can_be_allowed_for() -> None:
    environ = {**URLS, "REDIS_URL": "rediss://h/1", "REDIS_SSL_CERT_REQS": "none"}
    assert Settings.from_env(environ).redis_url == "rediss://h/1?ssl_cert_reqs=none"
    environ["REDIS_URL"] = "rediss://h/1?ssl_cert_reqs=required"
    assert Settings.from_env(environ).redis_url == environ["REDIS_URL"]


@pytest.mark.parametrize(
    ("environ", "reachable"),
    [
        ({}, True),
        ({"HOST": "127.0.0.1"}, False),
        ({"HOST": "::1"}, False),
        ({"HOST": "localhost"}, False),
        ({"HOST": "127.0.0.1", "PROXY_HOPS": "1"}, True),
    ],
)
def test_it_is_known_whether_others_can_reach_the_service(
    environ: dict[str, str], reachable: bool
) -> None:
    assert Settings.from_env({**URLS, **environ}).is_reachable == reachable


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", ""),
        ("DATABASE_URL", "mysql://h/db"),
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "postgresql://u:p@ss/word@h:5432/db"),
        ("DATABASE_URL", "postgresql://u:p[ss@h/db"),
        ("DATABASE_URL", "postgresql://u:p@h:port/db"),
        ("DATABASE_URL", "postgresql://u:p@h/db?pgbouncer=true"),
        ("DATABASE_URL", "postgresql://u:p@h/db?sslmode=require&schema=public"),
        ("REDIS_URL", "amqp://h"),
        ("REDIS_URL", "redis://:p@ss/word@h:6379/0"),
        ("REDIS_URL", "redis://:p[ss@h/0"),
        ("REDIS_URL", "redis://:p@h:port/0"),
        ("REDIS_URL", "redis://h/zero"),
        ("REDIS_URL", "redis://:p@/0"),
        ("REDIS_URL", "redis://:p@h/0?family=0"),
        ("REDIS_URL", "redis://:p@h/0?socket_timeout="),
        ("REDIS_URL", "redis://:p@h/0?ssl_cert_reqs=none"),
        ("REDIS_URL", "rediss://:p@h/0?ssl_cert_reqs=maybe"),
        ("REDIS_URL", "rediss://:p@h/0?ssl_ca_certs=/no/such/authority.pem"),
        ("PORT", "http"),
        ("PORT", "70000"),
        ("ORDER_CONCURRENCY", "0"),
        ("MAX_ATTEMPTS", "1.5"),
        ("RECOVERY_INTERVAL_MS", "2001"),
        ("SIM_SETTLEMENT_MS", "3000-2000"),
        ("SIM_SETTLEMENT_MS", "-5"),
        ("SIM_SPREAD_BPS", "a-b"),
        ("SIM_QUOTE_FAIL_RATE", "1.1"),
        ("SIM_QUOTE_FAIL_RATE", "nan"),
        ("LOG_LEVEL", "LOUD"),
        ("REDIS_SSL_CERT_REQS", "maybe"),
        ("AUTH", "maybe"),
        ("RATE_PER_KEY", "-1"),
        ("ORDERS_DISABLED", "yes"),
        ("MAX_QUEUED_ORDERS", "-1"),
        ("MAX_ORDER_NOTIONAL", "1e6"),
        ("PROXY_HOPS", "x"),
        ("FAIL_POINT", "submit.before_send"),
        ("FAIL_POINT", "submit.before_send:0"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Settings.from_env({**URLS, name: value})


def test_a_span_may_be_one_number() -> None:
    assert Settings.from_env({**URLS, "SIM_DRIFT_BPS": "20"}).simulation.drift_bps == Span(20, 20)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"AUTH": "required"}, True),
        ({"AUTH": "off"}, False),
        ({"AUTH": "required", "HOST": "127.0.0.1"}, True),
        ({"HOST": "127.0.0.1"}, False),
        ({"HOST": "::1"}, False),
        ({"HOST": "localhost"}, False),
    ],
)
def test_keys_are_asked_for_unless_it_was_decided_otherwise(
    environ: dict[str, str], expected: bool
) -> None:
    assert Settings.from_env({**URLS, **environ}).asks_for_keys is expected


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "10.0.0.1", "example.org"])
def test_who_may_come_in_from_outside_has_to_be_decided(host: str) -> None:
    settings = Settings.from_env({**URLS, "HOST": host})
    with pytest.raises(ConfigurationError, match="AUTH"):
        settings.asks_for_keys  # noqa: B018 - raises


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", "mysql://u:secret@h/x"),
        ("DATABASE_URL", "postgresql://u:secret@h:x/x"),
        ("DATABASE_URL", "postgresql://u:s/secret@h:1/x"),
        ("REDIS_URL", "amqp://u:secret@h/0"),
        ("REDIS_URL", "redis://:secret@h:x/0"),
        ("REDIS_URL", "redis://:s/secret@h:1/0"),
    ],
)
def test_an_invalid_url_is_named_without_its_secret(name: str, url: str) -> None:
    with pytest.raises(ConfigurationError, match=name) as refused:
        Settings.from_env({**URLS, name: url})
    assert "secret" not in str(refused.value)
    assert "secret" not in str(refused.value.__cause__)


def test_no_secret_is_shown() -> None:
    assert "secret" not in repr(Settings.from_env(URLS))
    assert "secret" not in repr(Settings.from_env(LIVE))


def test_every_setting_is_explained_in_the_example() -> None:
    readers = (settings, simulation, solana)
    source = "".join(Path(str(each.__file__)).read_text("utf-8") for each in readers)
    names = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', source))
    for path in (ROOT / "orderengine" / "local").glob("*.py"):
        names |= set(re.findall(r'"([A-Z]+(?:_[A-Z]+)+)"', path.read_text("utf-8")))
    names |= set(re.findall(r"\$\{?([A-Z_]+)", (ROOT / "Procfile").read_text("utf-8")))
    names -= OF_THE_SYSTEM | REFUSED
    example = (ROOT / ".env.example").read_text("utf-8")
    explained = set(re.findall(r"^#? ?([A-Z_]+)=", example, re.MULTILINE))
    assert len(names) > 20
    assert {"ORDERENGINE_POSTGRES_BIN", "FLOWER_PORT", "ORDER_CONCURRENCY"} <= names
    assert names <= explained, names - explained


def test_migrations_take_the_unpooled_database() -> None:
    environ = {**URLS, "DATABASE_URL_UNPOOLED": "postgres://u:p@direct/db"}
    assert settings.migration_database_url(environ) == "postgresql+psycopg2://u:p@direct/db"
    assert settings.migration_database_url(URLS).endswith("@h/db")


# These run before any setting is read: they check what would keep Python or Flower from starting.
AHEAD_OF_CONFIG = ["orderengine/process/interpreter.py", "orderengine/worker/flower.py"]


def test_only_config_reads_the_environment() -> None:
    readers = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "orderengine").rglob("*.py")
        if re.search(r"os\.(environ|getenv)", path.read_text("utf-8"))
    ]
    outside = [path for path in readers if not path.startswith("orderengine/local/")]
    assert sorted(outside) == ["orderengine/config/settings.py", *AHEAD_OF_CONFIG]
