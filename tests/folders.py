"""Folders that, unlike pytest's, PostgreSQL's own user can reach if the tests run as root."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
OF_A_CHECKOUT = ("Procfile", "alembic", "alembic.ini", "celeryconfig.py", "orderengine")


@contextmanager
def reachable_folder() -> Iterator[Path]:
    """A new folder, which is removed at the end of the block."""
    path = Path(tempfile.mkdtemp(prefix="orderengine-test-"))
    path.chmod(0o711)
    try:
        yield path
    finally:
        # A process that is about to end may still write into it.
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def new_checkout() -> Iterator[Path]:
    """Another checkout of this code, in which no stack has run yet."""
    with reachable_folder() as root:
        for name in OF_A_CHECKOUT:
            (root / name).symlink_to(ROOT / name)
        yield root
