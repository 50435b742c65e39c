"""Shared by the commands: where the engine is, their options, and errors in one line."""

import contextlib
import errno
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast
from urllib.parse import SplitResult

import click

from orderengine.cli.events import STYLES
from orderengine.cli.placing import OutcomeUnknown
from orderengine.cli.service import CannotGoOn, Service, service_url
from orderengine.config.addresses import place_of
from orderengine.config.settings import PACKAGE_DIR, ConfigurationError, libpq_note
from orderengine.domain.errors import OrderEngineError, StorageCause, StorageUnavailable
from orderengine.domain.instruments import parse_instruments

DEFAULT_URL = "http://127.0.0.1:3000"
API_KEY = "ORDERENGINE_API_KEY"
EXIT_FAILED = 1
EXIT_REFUSED = 2
EXIT_UNKNOWN = 3
EXIT_INTERRUPTED = 130
STOPPED_WATCHING = "stopped watching; orders continue"
WIDEST = 1000
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""Errors of a write to a disk that is full or gone."""

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where the commands find the engine unless they are told otherwise.

    `environ` has the settings for commands that work on PostgreSQL and Redis directly. `note` warns
    that the service at the URL may not be the stack of this checkout. `trouble` says why no command
    may use the URL.
    """

    api_url: str = DEFAULT_URL
    environ: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    trouble: str = ""

    @classmethod
    def current(cls) -> "Surroundings":
        """The surroundings of the command that runs."""
        return click.get_current_context().find_object(cls) or cls()


class Refusal(click.ClickException):
    """An error as one line on standard error, and an exit status."""

    exit_code = EXIT_REFUSED

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))

    def show(self, file: Any = None) -> None:
        """Write the line."""
        click.echo(self.format_message(), file=file, err=True)


class InDoubt(Refusal):
    """The request may have taken effect, or not."""

    exit_code = EXIT_UNKNOWN


class Interrupted(Refusal):
    """The user pressed Ctrl-C."""

    exit_code = EXIT_INTERRUPTED


@contextmanager
def stopped_as(message: str) -> Iterator[None]:
    """Turn Ctrl-C into Interrupted, with a message about the work done or still going on."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(message) from error


def drop_output() -> None:
    """Drop the rest of standard output, which Python would try to write again at its end."""
    with contextlib.suppress(OSError), open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


@contextmanager
def full_disk_told(before: str = "") -> Iterator[None]:
    """Turn a full disk under standard output into a one-line error that begins with `before`."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        drop_output()
        kind = InDoubt if before else Refusal
        raise kind(f"{before}writing standard output failed: {error.strerror}") from error


class CommandGroup(click.Group):
    """A group that turns the errors of its commands into one line and an exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            with full_disk_told(), _missing_tables_told(ctx):
                return super().invoke(ctx)
        except click.exceptions.NoArgsIsHelpError:
            raise
        except click.UsageError as error:
            place = error.ctx.command_path if error.ctx else ctx.command_path
            message = f"{place}: {error.format_message()} (see --help)"
            raise Refusal(message) from error
        except OutcomeUnknown as error:
            raise InDoubt(str(error)) from error
        except StorageUnavailable as error:
            raise Refusal(reason(error)) from error
        except (CannotGoOn, ConfigurationError, OrderEngineError) as error:
            raise Refusal(str(error)) from error
        except KeyboardInterrupt as error:
            raise Interrupted("stopped") from error


@contextmanager
def _missing_tables_told(ctx: click.Context) -> Iterator[None]:
    """Turn a database without the tables of this release into a one-line error."""
    try:
        yield
    except Exception as error:
        if "orderengine.postgres.outages" not in sys.modules:  # no database was asked
            raise
        from orderengine.postgres.outages import WORDS, lacks_migrations

        if not lacks_migrations(error):
            raise
        message = f"{WORDS[StorageCause.MIGRATIONS]}: run make migrate"
        raise Refusal(f"{message} ({_database(ctx)}{libpq_note()})") from error


def reason(error: StorageUnavailable, then: str = "") -> str:
    """The error, in the driver's words if the cause is unknown, then `then` and the database."""
    from orderengine.postgres.outages import WORDS, driver_words

    message = str(error)
    if error.cause in {StorageCause.NO_ANSWER, StorageCause.TLS} and error.__cause__ is not None:
        message = f"{WORDS[error.cause]}: {driver_words(error.__cause__)}"
    return f"{message}{then} ({_database(click.get_current_context())}{libpq_note()})"


def _database(ctx: click.Context) -> str:
    """The database that a command uses, so that a wrong DATABASE_URL shows."""
    around = ctx.find_object(Surroundings) or Surroundings()
    return f"DATABASE_URL is {place_of(around.environ.get('DATABASE_URL', ''))}"


class _Url(click.ParamType[SplitResult]):
    name = "url"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> SplitResult:
        if isinstance(value, SplitResult):
            return value
        try:
            return service_url(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _service(_: click.Context, _option: click.Parameter, url: SplitResult | None) -> Service:
    around = Surroundings.current()
    if url is None and around.trouble:
        raise CannotGoOn(f"{around.trouble}, or name another service with --url")
    if url is None and around.note:
        click.echo(f"{around.note}: asking {around.api_url}", err=True)
    return Service(url or service_url(around.api_url), around.environ.get(API_KEY, ""))


service_option = click.option(
    "--url",
    "service",
    type=_Url(),
    callback=_service,
    help=f"The service; default: the stack of this checkout, or {DEFAULT_URL}.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
plain_option = click.option("--plain", is_flag=True, help="Print lines, also on a terminal.")


def order_arguments(*, required: bool = True) -> Callable[[F], F]:
    """Add SYMBOL, SIDE and an amount, QUANTITY or --quote-quantity, which the service checks."""

    def add(command: F) -> F:
        for argument in (
            click.option("--quote-quantity", help="In place of QUANTITY: exactly so much USDC."),
            click.argument("quantity", required=False),
            click.argument("side", required=required, shell_complete=_sides),
            click.argument("symbol", required=required, shell_complete=_symbols),
        ):
            command = argument(command)
        return command

    return add


def amount_of(quantity: str | None, quote_quantity: str | None) -> dict[str, str]:
    """The given amount, by its name in the API; raises UsageError without one, or with two."""
    if (quantity is None) == (quote_quantity is None):
        both = "QUANTITY and --quote-quantity exclude each other"
        raise click.UsageError("Missing argument 'QUANTITY'." if quantity is None else both)
    if quote_quantity is not None:
        return {"quoteQuantity": quote_quantity}
    return {"quantity": str(quantity)}


def asked_text(order: Mapping[str, Any]) -> str:
    """What an order asks for, in words: `buy 10 AAPL`, or `buy AAPL for 100 USDC`."""
    side, symbol = order["side"], order["symbol"]
    if order.get("quoteQuantity") is not None:
        return f"{side} {symbol} for {order['quoteQuantity']} USDC"
    return f"{side} {order['quantity']} {symbol}"


def tell_json(document: object) -> None:
    """Write one document as one line."""
    click.echo(json.dumps(document, ensure_ascii=False))


def tell_table(rows: Iterable[Mapping[str, object]], columns: Iterable[str]) -> None:
    """Write rows as a table of any width; color the cells that begin with a final status."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    def cell(value: object) -> Text:
        text = "" if value is None else str(value)
        return Text(text, STYLES.get(text.partition(" ")[0], ""))

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    names = list(columns)
    for name in names:
        table.add_column(name, no_wrap=True)
    for row in rows:
        table.add_row(*(cell(row.get(name)) for name in names))
    whole = Console(highlight=False, width=WIDEST)
    whole.print(table, soft_wrap=True)


def _sides(_: click.Context, _argument: click.Parameter, begun: str) -> list[str]:
    return [side for side in ("buy", "sell") if side.startswith(begun)]


def _symbols(ctx: click.Context, _argument: click.Parameter, begun: str) -> list[str]:
    around = cast("Surroundings | None", ctx.find_object(Surroundings)) or Surroundings()
    path = around.environ.get("INSTRUMENTS_FILE") or str(PACKAGE_DIR / "instruments.csv")
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - a name that may be anything
            instruments = parse_instruments(file.read())
    except (OSError, ValueError):
        return []
    return [each.symbol for each in instruments if each.symbol.startswith(begun.upper())]
