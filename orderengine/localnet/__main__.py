"""`python -m orderengine.localnet serve`: a localnet on this machine, kept in a folder."""

import argparse
import importlib.util
import signal
import sys
import threading
from pathlib import Path

_SHIPPED = Path(__file__).parents[1] / "instruments.csv"
_MISSING = (
    "orderengine: the localnet needs solders: pip install --require-hashes -r"
    " requirements-solana.txt"
)


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM: 0; 1 after one line if it cannot."""
    given = _parser().parse_args(arguments)
    if importlib.util.find_spec("solders") is None:
        print(_MISSING, file=sys.stderr)
        return 1
    from orderengine.localnet.runner import SETTINGS_FILE, Options, serve

    until = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: until.set())
    options = Options(
        folder=given.folder,
        port=given.port,
        instruments=given.instruments.read_text("utf-8"),
        block_s=given.block_ms / 1_000,
        with_faults=given.faults,
    )
    print(f"the engine's settings for it are in {given.folder / SETTINGS_FILE}", flush=True)
    try:
        serve(options, until)
    except (OSError, ValueError) as error:
        print(f"orderengine: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m orderengine.localnet", description=__doc__)
    commands = parser.add_subparsers(required=True)
    serve = commands.add_parser("serve", help="run the node, its pools and its wallet")
    serve.add_argument("--folder", type=Path, required=True, help="where everything is kept")
    serve.add_argument("--port", type=int, default=8899, help="on the loopback address")
    serve.add_argument(
        "--instruments", type=Path, default=_SHIPPED, help="the instruments to trade"
    )
    serve.add_argument("--block-ms", type=_block_ms, default=400, help="10 to 60000")
    serve.add_argument("--faults", action="store_true", help="allow localnet_fault")
    return parser


def _block_ms(text: str) -> int:
    value = int(text)
    if not 10 <= value <= 60_000:
        raise argparse.ArgumentTypeError("must be 10 to 60000")
    return value


if __name__ == "__main__":
    sys.exit(main())
