"""What variables of Python would do to a process of the engine, before it does anything else."""

import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[1]
_QUIET = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)
_INSTALLERS = frozenset({"pip", "setuptools", "wheel", "pkg_resources", "_distutils_hack"})


def settle() -> None:
    """Refuse a PYTHONPATH that hides an installed module, and have no warning end this process."""
    refuse_hidden_modules()
    if os.environ.get("PYTHONWARNINGS"):
        # As Python does without the variable, where `error` has a library end at what it warns of.
        warnings.resetwarnings()
        for quiet in _QUIET:
            warnings.simplefilter("ignore", quiet)


def refuse_hidden_modules() -> None:
    """End this process with one line where a folder of PYTHONPATH hides an installed module.

    It would fail at some import, in the middle of a library, and name neither the variable nor the
    folder. A folder that has modules which are installed nowhere else is obeyed: some hosts install
    all of them there.
    """
    import sysconfig

    hiding = hiding_module(os.environ, Path(sysconfig.get_path("purelib")))
    if hiding is not None:
        sys.exit(
            f"orderengine: PYTHONPATH leads to {hiding} instead of the installed {hiding.stem}:"
            " unset PYTHONPATH"
        )


def hiding_module(environ: Mapping[str, str], installed: Path) -> Path | None:
    """The first module in a folder of PYTHONPATH that is also among the installed ones."""
    given = filter(None, environ.get("PYTHONPATH", "").split(os.pathsep))
    folders = [folder for folder in map(Path, given) if folder.resolve() != _CHECKOUT]
    if not folders:
        return None
    ours = {module.stem for module in _modules(installed)} - _INSTALLERS
    for folder in folders:
        if folder.resolve() == installed.resolve():
            return None  # what follows comes after the installed ones
        for module in _modules(folder):
            if module.stem in ours:
                return module
    return None


def _modules(folder: Path) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.suffix == ".py" or (not entry.suffix and (entry / "__init__.py").exists()):
            yield entry
