"""`bench`: the benchmarks of the checkout, on servers of their own."""

import runpy
import sys
from collections.abc import Sequence
from importlib.util import find_spec

import click


@click.command(
    short_help="Measure throughput and latency, on servers of its own.",
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--about"]},
    add_help_option=True,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(arguments: Sequence[str]) -> None:
    """Measure throughput and latency, on servers of its own; ARGUMENTS are those of `make bench`.

    `bench --help` lists the measurements.
    """
    if find_spec("benchmarks") is None:
        raise click.UsageError("run this in a checkout: the benchmarks are not part of the package")
    sys.argv = ["benchmarks", *arguments]
    runpy.run_module("benchmarks", run_name="__main__", alter_sys=True)
