"""The root of the command line: `python -m orderengine`, or `bin/orderengine`."""

from collections.abc import Mapping, Sequence

import click

from orderengine import __version__
from orderengine.cli.bench import bench
from orderengine.cli.change import amend_order, cancel_orders
from orderengine.cli.common import CommandGroup
from orderengine.cli.demo import demo
from orderengine.cli.doctor import doctor
from orderengine.cli.export import export
from orderengine.cli.halting import halt, resume
from orderengine.cli.keys import keys
from orderengine.cli.orders import orders
from orderengine.cli.pools import pools
from orderengine.cli.prune import prune
from orderengine.cli.read import instruments, list_orders, quotes, show
from orderengine.cli.submit import submit, watch


class _Root(CommandGroup):
    """Lists the commands for clients and for operators separately."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the lists."""
        widest = max(len(str(command.name)) for command in self.commands.values())
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                room = formatter.width - widest - 6
                names = [(str(each.name), each.get_short_help_str(room)) for each in commands]
                formatter.write_dl(names)


@click.group(cls=_Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="orderengine %(version)s")
def main() -> None:
    """Place and watch orders, and operate the engine.

    For example: orderengine submit AAPL buy 10 --watch

    Commands for clients connect to the service at --url; if it requires a key, set
    ORDERENGINE_API_KEY. Commands for operators read the settings of a worker: the shell takes
    precedence over .env, and both over the servers of the stack that runs in this checkout.
    """


SECTIONS: Mapping[str, Sequence[click.Command]] = {
    "For clients": (
        *(submit, watch, cancel_orders, amend_order),
        *(list_orders, show, quotes, instruments, demo),
    ),
    "For operators": (doctor, orders, pools, halt, resume, keys, export, prune, bench),
}

for commands in SECTIONS.values():
    for command in commands:
        main.add_command(command)
