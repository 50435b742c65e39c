"""The keys of clients: `python -m orderengine keys create|list|revoke`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import click

from orderengine.cli.common import Refusal, Surroundings, json_option, tell_json, tell_table
from orderengine.config.settings import database_url, libpq_note
from orderengine.domain.access import CLIENT_NAME, KeyRecord
from orderengine.domain.texts import time_text
from orderengine.execution.intake.keys import Keys, create_key

COLUMNS = ("keyId", "client", "createdAt", "lastUsedAt", "revokedAt")


@click.group()
def keys() -> None:
    """Create, list and revoke the keys of clients."""


@keys.command()
@click.argument("name")
@json_option
def create(name: str, *, as_json: bool) -> None:
    """Create a key for the client NAME, and print it; it is never shown again."""
    if not CLIENT_NAME.fullmatch(name):
        raise click.BadParameter("must be 1 to 64 of A-Z a-z 0-9 . _ -", param_hint="NAME")
    with _store() as store:
        key_id, key = create_key(store, name)
    if as_json:
        tell_json({"keyId": key_id, "client": name, "key": key})
    else:
        click.echo(key)
        click.echo(
            f"key {key_id} of {name}: it is not stored, and can not be shown again", err=True
        )


@keys.command(name="list")
@json_option
def list_keys(*, as_json: bool) -> None:
    """List all keys; `lastUsedAt` is behind by up to a minute."""
    with _store() as store:
        documents = [_document(record) for record in store.all()]
    if as_json:
        tell_json({"keys": documents})
    elif documents:
        tell_table(map(_row, documents), COLUMNS)
    else:
        click.echo("no keys")


@keys.command()
@click.argument("key_id")
@json_option
def revoke(key_id: str, *, as_json: bool) -> None:
    """Revoke the key KEY_ID: within 5 seconds it stops working, and its sockets are closed."""
    with _store() as store:
        was_revoked = store.revoke(key_id)
    if not was_revoked:
        raise click.BadParameter(f"there is no key {key_id} to revoke", param_hint="KEY_ID")
    if as_json:
        tell_json({"keyId": key_id, "revoked": True})
    else:
        click.echo(f"revoked {key_id}")


@contextmanager
def _store() -> Iterator[Keys]:
    from orderengine.bootstrap.operator import build_keys  # loads PostgreSQL, Redis and Celery
    from orderengine.postgres.database import DATABASE_DEFECTS

    try:
        yield build_keys(database_url(Surroundings.current().environ))
    except DATABASE_DEFECTS as error:
        message = "the database has no table of keys: run alembic upgrade head"
        message += libpq_note()
        raise Refusal(message) from error


def _document(record: KeyRecord) -> dict[str, str | None]:
    return {
        "keyId": record.key_id,
        "client": record.client_id,
        "createdAt": time_text(record.created_at),
        "lastUsedAt": time_text(record.last_used_at) if record.last_used_at else None,
        "revokedAt": time_text(record.revoked_at) if record.revoked_at else None,
    }


def _row(document: Mapping[str, str | None]) -> dict[str, str | None]:
    """The document with times to the second."""
    return {
        name: f"{value[:19]}Z" if value and name.endswith("At") else value
        for name, value in document.items()
    }
