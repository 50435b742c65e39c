"""Guards a process of the engine against Python's own variables, before anything else runs."""

import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[2]
_QUIET = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)
_INSTALLERS = frozenset({"pip", "setuptools", "wheel", "pkg_resources", "_distutils_hack"})


def guard_interpreter() -> None:
    """Refuse a PYTHONPATH that hides an installed module, and keep warnings from being errors."""
    refuse_hidden_modules()
    if os.environ.get("PYTHONWARNINGS"):
        # Python's defaults without the variable: with `error`, a warning ends a library's call.
        warnings.resetwarnings()
        for quiet in _QUIET:
            warnings.simplefilter("ignore", quiet)


def refuse_hidden_modules() -> None:
    """End this process with one line if a folder of PYTHONPATH hides an installed module.

    Otherwise some import inside a library would fail without naming the variable or the folder. A
    folder of modules that are installed nowhere else is accepted: some hosts install all there.
    """
    import sysconfig

    hiding = hiding_module(os.environ, Path(sysconfig.get_path("purelib")))
    if hiding is not None:
        sys.exit(
            f"orderengine: PYTHONPATH leads to {hiding} instead of the installed {hiding.stem}:"
            " unset PYTHONPATH"
        )


def hiding_module(environ: Mapping[str, str], installed: Path) -> Path | None:
    """The first module in a folder of PYTHONPATH that hides an installed one."""
    given = filter(None, environ.get("PYTHONPATH", "").split(os.pathsep))
    folders = [folder for folder in map(Path, given) if folder.resolve() != _CHECKOUT]
    if not folders:
        return None
    ours = {module.stem for module in _modules(installed)} - _INSTALLERS
    for folder in folders:
        if folder.resolve() == installed.resolve():
            return None  # later folders come after the installed modules
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
