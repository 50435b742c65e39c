"""The keys of clients: `python -m orderengine keys create|list|revoke`.

Exits with 0, 1 when PostgreSQL gives no answer or a setting is missing, 2 for a wrong argument.
"""

import json
from datetime import datetime
from typing import Any

import click

from orderengine.bootstrap import build_keys
from orderengine.config import ConfigurationError, database_url
from orderengine.database import DATABASE_DEFECTS
from orderengine.domain.access import CLIENT_NAME, KeyRecord
from orderengine.domain.documents import time_text
from orderengine.domain.errors import StorageUnavailable
from orderengine.execution.access import Keys, create_key

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def keys() -> None:
    """Make, list and revoke the keys of clients."""


@keys.command()
@click.argument("name")
@as_json
def create(name: str, *, as_json: bool) -> None:
    """Make a key for the client NAME and print it, this once."""
    if not CLIENT_NAME.fullmatch(name):
        raise click.BadParameter("must be 1 to 64 of A-Z a-z 0-9 . _ -", param_hint="NAME")
    with _Answers() as store:
        key_id, key = create_key(store, name)
    if as_json:
        _print_json({"keyId": key_id, "client": name, "key": key})
    else:
        click.echo(key)
        click.echo(
            f"key {key_id} of {name}: it is not stored, and can not be shown again", err=True
        )


@keys.command(name="list")
@as_json
def list_keys(*, as_json: bool) -> None:
    """List all keys; LAST USED is behind by up to a minute."""
    with _Answers() as store:
        records = store.all()
    if as_json:
        _print_json({"keys": [_document(record) for record in records]})
        return
    rows = [("KEY", "CLIENT", "CREATED", "LAST USED", "REVOKED"), *map(_row, records)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


@keys.command()
@click.argument("key_id")
@as_json
def revoke(key_id: str, *, as_json: bool) -> None:
    """Revoke the key with KEY_ID: within 5 seconds it opens nothing, and its sockets are closed."""
    with _Answers() as store:
        was_revoked = store.revoke(key_id)
    if not was_revoked:
        raise click.BadParameter(f"there is no key {key_id} to revoke", param_hint="KEY_ID")
    if as_json:
        _print_json({"keyId": key_id, "revoked": True})
    else:
        click.echo(f"revoked {key_id}")


class _Answers:
    """The store, whose errors end the command with one line."""

    def __enter__(self) -> Keys:
        try:
            return build_keys(database_url())
        except ConfigurationError as error:
            raise click.ClickException(str(error)) from error

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, StorageUnavailable):
            raise click.ClickException(str(error)) from error
        if isinstance(error, DATABASE_DEFECTS):
            message = "the database has no keys: bring it up to date with alembic upgrade head"
            raise click.ClickException(message) from error


def _document(record: KeyRecord) -> dict[str, str | None]:
    return {
        "keyId": record.key_id,
        "client": record.client_id,
        "createdAt": time_text(record.created_at),
        "lastUsedAt": time_text(record.last_used_at) if record.last_used_at else None,
        "revokedAt": time_text(record.revoked_at) if record.revoked_at else None,
    }


def _row(record: KeyRecord) -> tuple[str, ...]:
    times = (record.created_at, record.last_used_at, record.revoked_at)
    return (record.key_id, record.client_id, *map(_shown, times))


def _shown(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}Z" if moment else "-"


def _print_json(document: Any) -> None:
    click.echo(json.dumps(document, indent=2))
