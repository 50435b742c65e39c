"""The root of the command line: `python -m orderengine COMMAND`."""

import click

from orderengine.cli.keys import keys


@click.group(name="orderengine", context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """A market order execution engine."""


main.add_command(keys)
