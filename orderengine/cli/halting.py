"""`halt`, `resume`: stop the start and the signing of orders, and let them go on."""

import click

from orderengine.cli.common import json_option, tell_json
from orderengine.cli.operate import operator_ports
from orderengine.domain.texts import time_text


@click.command(short_help="Start no waiting order and sign nothing, until `resume`.")
@json_option
def halt(*, as_json: bool) -> None:
    """Start no waiting order and sign nothing, in any worker, from now on.

    Orders are still accepted (ORDERS_DISABLED=1 refuses new ones), canceled and expired, and those
    that were sent are confirmed. `resume` ends it; /readyz names it meanwhile.
    """
    since = time_text(operator_ports().halts.halt())
    if as_json:
        tell_json({"halted": True, "since": since})
        return
    click.echo(f"halted since {since}: nothing starts and nothing is signed; `resume` ends it")


@click.command(short_help="End a `halt`.")
@json_option
def resume(*, as_json: bool) -> None:
    """Let orders start and be signed again; those that stood still go on within seconds."""
    was_halted = operator_ports().halts.resume()
    if as_json:
        tell_json({"halted": False, "wasHalted": was_halted})
        return
    click.echo("resumed: orders go on within 15 seconds" if was_halted else "nothing was halted")
