"""Helpers of the tests of embedded servers."""

import contextlib
from pathlib import Path

import psycopg2
import redis

from orderengine.local.processes import command_line
from orderengine.local.redis_server import EmbeddedRedis
from orderengine.local.server import EmbeddedServer


def query(server: EmbeddedServer, statement: str) -> object:
    with contextlib.closing(psycopg2.connect(server.url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None


def write(server: EmbeddedServer) -> None:
    if isinstance(server, EmbeddedRedis):
        with redis.Redis.from_url(server.url) as client:
            client.set("kept", "yes")
    else:
        query(server, "CREATE TABLE kept AS SELECT 'yes' AS answer")


def read(server: EmbeddedServer) -> object:
    if isinstance(server, EmbeddedRedis):
        with redis.Redis.from_url(server.url, decode_responses=True) as client:
            return client.get("kept")
    return query(server, "SELECT answer FROM kept")


def pid_of(server: EmbeddedServer) -> int:
    assert server.pid is not None
    return server.pid


def running_with(text: str) -> list[str]:
    commands = (command_line(int(path.name)) for path in Path("/proc").glob("[0-9]*"))
    return [command for command in commands if text in command]
