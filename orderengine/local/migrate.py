"""`make migrate`: the release step alone, with the settings that every command here reads."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from orderengine.config.settings import migration_database_url


def migrate(root: Path, env: Mapping[str, str]) -> NoReturn:
    """Becomes Alembic, for the configured database; ConfigurationError if none is configured."""
    migration_database_url(env)
    os.chdir(root)
    command = [sys.executable, "-m", "alembic", "--config", "alembic.ini", "upgrade", "head"]
    os.execve(sys.executable, command, dict(env))  # noqa: S606 - no shell is the point
