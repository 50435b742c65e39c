"""`pools check`: compares the instrument file with the chain."""

import sys
from dataclasses import asdict

import click

from orderengine.cli.common import EXIT_FAILED, json_option, tell_json, tell_table
from orderengine.cli.operate import operator_settings
from orderengine.config.settings import ConfigurationError

COLUMNS = ("symbol", "place", "address", "agrees", "detail")


@click.group()
def pools() -> None:
    """Tokens and pools of a live network (for operators)."""


@pools.command()
@json_option
def check(*, as_json: bool) -> None:
    """Compare mints and pools of the instrument file with the chain.

    Exits with 1 if one of them is not as the file says: a token with other decimals or of another
    program, a pool of another pair or of a program that is not known, one that is paused. It reads
    the nodes of SOLANA_RPC_URL and nothing else.
    """
    settings = operator_settings()
    if settings.solana is None:
        raise ConfigurationError("NETWORK is not solana: there is no chain to compare with")
    from orderengine.bootstrap.common import load_instruments
    from orderengine.bootstrap.network import live_module

    checks = live_module("live_checks")
    found = list(checks.compared(settings.solana, load_instruments(settings)))
    rows = [asdict(each) for each in found]
    if as_json:
        tell_json({"checks": rows})
    else:
        tell_table([row | {"agrees": "yes" if row["agrees"] else "NO"} for row in rows], COLUMNS)
    if not all(each.agrees for each in found):
        sys.exit(EXIT_FAILED)
