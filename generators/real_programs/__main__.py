"""Runs the orders and prints the figures; ends with 1 if one amount or one code differs."""

import argparse
import hashlib
import sys
from pathlib import Path

from generators.real_programs.chain import Chain
from generators.real_programs.orders import Figures, Trader
from generators.real_programs.pools import PROGRAM_IDS


def main() -> int:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m generators.real_programs")
    for program in PROGRAM_IDS:
        parser.add_argument(f"--{program.replace('_', '-')}", type=Path, metavar="FILE")
    parser.add_argument("--orders", type=int, default=1_000, help="for each program")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    paths: dict[str, Path | None] = {program: getattr(options, program) for program in PROGRAM_IDS}
    faults = 0
    for program, path in paths.items():
        if path is None:
            continue
        address = PROGRAM_IDS[program]
        figures = Trader(Chain({address: path}), program, address, options.seed).trade(
            options.orders
        )
        _print(program, path, figures)
        faults += len(figures.faults)
    return 1 if faults else 0


def _print(program: str, path: Path, figures: Figures) -> None:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    lines = [
        f"{program}: {path.name}, sha256 {digest}",
        f"  executed as quoted, to the base unit: {figures.executed}",
        *(f"    {kind}: {count}" for kind, count in sorted(figures.kinds.items())),
        *(f"  refused with {code}: {count}" for code, count in sorted(figures.codes.items())),
        *(f"  not quoted, {why}: {count}" for why, count in figures.refused.most_common(5)),
        f"  not as told: {len(figures.faults)}",
        *(f"    {fault}" for fault in figures.faults[:20]),
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
