"""The operators' commands name the servers that they work on."""

import pytest

from orderengine.config.addresses import place_of


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql+psycopg2://me:s3cret@db.example:5432/orders", "db.example:5432/orders"),
        ("postgresql+psycopg2://db.example/orders?password=s3cret", "db.example/orders"),
        ("postgresql+psycopg2:///orders?host=/run/pg&password=s3cret", "/run/pg/orders"),
        ("postgresql+psycopg2:///orders", "the local socket/orders"),
        ("postgresql+psycopg2://me:s3cret@[::1]:5432/orders", "[::1]:5432/orders"),
        ("rediss://:s3cret@redis.example:6380/1?ssl_cert_reqs=none", "redis.example:6380/1"),
    ],
)
def test_a_server_is_named_without_its_secrets(url: str, place: str) -> None:
    assert place_of(url) == place
