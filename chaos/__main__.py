"""`python -m chaos [--quick] [--only NAME] [--seed N] [--scale F] …`."""

import argparse
import secrets
import sys
from pathlib import Path

from chaos import runner, sabotage
from chaos.fault import NETWORKS
from chaos.faults import FAULTS
from chaos.runner import Plan

SEEDS = 2**31


def main() -> int:
    """Run the requested faults; 1 if an invariant was broken, or if sabotage was not noticed."""
    options = _parse()
    seed = secrets.randbelow(SEEDS) if options.seed is None else options.seed
    plan = Plan(
        names=options.only or _of_networks(options.network),
        seed=seed,
        quick=options.quick,
        factor=options.scale,
        jobs=options.jobs or (runner.QUICK_JOBS if options.quick else runner.FULL_JOBS),
    )
    if options.child:
        return runner.run_here(plan, options.child)
    if options.sabotage:
        return sabotage.run(options.sabotage, seed)
    return runner.run(plan)


def _of_networks(network: str | None) -> list[str]:
    return [name for name, fault in FAULTS.items() if network in {None, fault.network}]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small, in a few minutes")
    parser.add_argument("--only", nargs="+", choices=FAULTS, metavar="NAME", help=", ".join(FAULTS))
    parser.add_argument("--network", choices=NETWORKS, help="the faults of one network")
    parser.add_argument("--seed", type=int, help="repeats a run; printed by each")
    parser.add_argument("--scale", type=float, default=1.0, help="a part of the full figures")
    parser.add_argument("--jobs", type=int, help="faults at the same time")
    parser.add_argument("--sabotage", choices=[*sabotage.GUARDS, "all"], help="can the suite fail?")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
