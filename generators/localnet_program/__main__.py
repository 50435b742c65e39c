"""Builds the program of the localnet's pools, and says whether the stored binary is that one."""

import argparse
import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

from generators.localnet_program.linker import link

FOLDER = Path(__file__).parents[2] / "orderengine" / "localnet" / "program"
SOURCE = FOLDER / "pool.c"
BINARY = FOLDER / "pool.so"
FLAGS = (
    *("-target", "bpfel-freestanding", "-mcpu=v1", "-O2", "-fno-builtin", "-fno-strict-aliasing"),
    *("-nostdlib", "-fno-stack-protector", "-fno-sanitize=all", "-mllvm", "-bpf-stack-size=4096"),
    *("-Wall", "-Wextra", "-Werror"),
)


def build(compiler: Path) -> bytes:
    """Compile and link the source with the `ziglang` wheel of this Python interpreter."""
    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder) / "pool.o"
        command = [str(compiler), "-m", "ziglang", "cc", *FLAGS, "-c", str(SOURCE)]
        subprocess.run([*command, "-o", str(compiled)], check=True)  # noqa: S603
        return link(compiled.read_bytes())


def main() -> int:
    """Compare the stored binary with a new one; `--write` stores it. 1 if they differ."""
    parser = argparse.ArgumentParser(prog="python -m generators.localnet_program")
    parser.add_argument("compiler", type=Path, help="a Python interpreter that has `ziglang`")
    parser.add_argument("--write", action="store_true", help="store what was built")
    arguments = parser.parse_args()
    built = build(arguments.compiler)
    if arguments.write:
        BINARY.write_bytes(built)
    is_same = BINARY.read_bytes() == built
    word = "is" if is_same else "is not"
    digest = hashlib.sha256(built).hexdigest()
    sys.stdout.write(
        f"{BINARY.name} {word} what the source gives: {len(built)} bytes, sha256 {digest}\n"
    )
    return 0 if is_same else 1


if __name__ == "__main__":
    sys.exit(main())
