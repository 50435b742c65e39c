"""The root of the command line: `python -m orderengine`, or `bin/orderengine`."""

import click

from orderengine.cli.bench import bench
from orderengine.cli.common import Commands
from orderengine.cli.demo import demo
from orderengine.cli.doctor import doctor
from orderengine.cli.export import export
from orderengine.cli.keys import keys
from orderengine.cli.orders import orders
from orderengine.cli.prune import prune
from orderengine.cli.read import list_orders, quotes, show
from orderengine.cli.submit import submit, watch


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Place and watch orders, and operate the engine.

    Clients' commands speak to the service at --url; where it asks for a key, ORDERENGINE_API_KEY
    has it. Operators' commands read the same settings as a worker does.
    """


CLIENTS = (submit, watch, list_orders, show, quotes, demo)
OPERATORS = (bench, doctor, export, keys, orders, prune)

for command in (*CLIENTS, *OPERATORS):
    main.add_command(command)
