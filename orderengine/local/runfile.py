"""`.orderengine/run.json`: the stack that runs here, for other commands and the next run."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from orderengine.local.files import write_private
from orderengine.local.processes import ProcessRef


def state_folder(root: Path) -> Path:
    """The folder for the data of a checkout's servers; git ignores it."""
    return root / ".orderengine"


@dataclass(frozen=True)
class Run:
    """A stack, as its supervisor describes it; the URLs contain passwords.

    `localnet` has the engine's variables for its localnet; it is empty without one.
    """

    supervisor: ProcessRef
    api_url: str
    database_url: str
    redis_url: str
    children: dict[str, ProcessRef] = field(default_factory=dict)
    flower_port: int = 5555
    localnet: dict[str, str] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Writes the file in one step, mode 0600."""
        write_private(folder / "run.json", json.dumps(asdict(self), indent=2) + "\n")


def load_run(folder: Path) -> Run | None:
    """The run that the file describes, alive or not; None if there is none."""
    try:
        fields = json.loads((folder / "run.json").read_text())
        fields["supervisor"] = ProcessRef(**fields["supervisor"])
        children = fields["children"].items()
        fields["children"] = {name: ProcessRef(**ref) for name, ref in children}
        return Run(**fields)
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        return None


def live_run(folder: Path) -> Run | None:
    """The run whose supervisor is alive now."""
    run = load_run(folder)
    return run if run and run.supervisor.is_running() else None


def api_url(root: Path, env: Mapping[str, str]) -> str:
    """The URL of the API of this checkout's stack, or the one that it would have."""
    run = live_run(state_folder(root))
    return run.api_url if run else f"http://127.0.0.1:{env.get('PORT') or 3000}"


def forget_run(folder: Path) -> None:
    """Removes `run.json` once nothing runs any more."""
    (folder / "run.json").unlink(missing_ok=True)


def own_ref() -> ProcessRef:
    """The reference to this process."""
    ref = ProcessRef.of(os.getpid())
    if ref is None:
        raise RuntimeError("this process is not in the process table")
    return ref
