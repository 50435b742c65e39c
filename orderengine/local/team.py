"""Keeps the children running: notices one that ended, says why, and starts it again."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from orderengine.local.children import Child
from orderengine.local.errors import LocalError
from orderengine.local.loop import Loop
from orderengine.local.processes import outcome
from orderengine.local.readiness import ReadinessProbe

_LONGEST_TURN_S = 1.0
_SHOWN_LINES = 5


@dataclass
class Backoff:
    """How long to wait before the next start, in seconds."""

    first_s: float = 0.5
    limit_s: float = 10.0
    reset_after_s: float = 30.0
    _next_s: float = field(default=0.0, init=False)

    def delay_s(self, uptime_s: float) -> float:
        """Doubles with every start that did not last; resets after one that did."""
        if uptime_s >= self.reset_after_s or not self._next_s:
            self._next_s = self.first_s
        delay = self._next_s
        self._next_s = min(self.limit_s, 2 * delay)
        return delay


@dataclass
class Member:
    """A child and what the team knows about it."""

    child: Child
    backoff: Backoff = field(default_factory=Backoff)
    launched_at: float = 0.0
    restart_at: float | None = None
    readiness: ReadinessProbe | None = None
    was_ready: bool = False
    restarts: int = 0

    @property
    def is_ready(self) -> bool:
        """Whether it runs and has answered since it was started."""
        return self.restart_at is None and self.readiness is not None and self.readiness.is_ready


class Team:
    """The children that are to run until the supervisor stops."""

    def __init__(
        self, loop: Loop, say: Callable[[str], None], on_launch: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._say = say
        self._on_launch = on_launch
        self.members: list[Member] = []

    def add(self, child: Child, *, running: bool = False) -> None:
        """Adds a child and starts it, unless it runs already."""
        member = Member(child)
        self.members.append(member)
        if running:
            self._note_launch(member)
            member.was_ready = True
        else:
            self._launch(member)

    @property
    def unready(self) -> list[Child]:
        """The children that have not answered since their last start."""
        return [member.child for member in self.members if not member.is_ready]

    def turn(self) -> None:
        """Runs one turn of the loop, and looks after the children."""
        now = time.monotonic()
        restarts = [m.restart_at for m in self.members if m.restart_at is not None]
        self._loop.turn(min([_LONGEST_TURN_S, *(restart - now for restart in restarts)]))
        for member in self.members:
            self._look_after(member)

    def rest(self) -> None:
        """Stops restarting and probing; running children stay."""
        for member in self.members:
            if member.readiness is not None:
                member.readiness.cancel()
            member.restart_at = None

    def _look_after(self, member: Member) -> None:
        now = time.monotonic()
        if member.restart_at is not None:
            if now >= member.restart_at:
                member.restarts += 1
                self._launch(member)
        elif not member.child.is_running:
            process = member.child.process
            self._bury(member, outcome(process.returncode if process else 0))
        elif member.is_ready and not member.was_ready:
            member.was_ready = True
            self._say(f"{member.child.name} is ready{' again' if member.restarts else ''}")

    def _launch(self, member: Member) -> None:
        member.launched_at = time.monotonic()
        try:
            member.child.launch()
        except (LocalError, OSError) as error:
            self._bury(member, f"could not be started: {error}")
        else:
            self._note_launch(member)

    def _note_launch(self, member: Member) -> None:
        member.launched_at = time.monotonic()
        member.restart_at = None
        member.was_ready = False
        member.readiness = ReadinessProbe(member.child.is_ready, self._loop.wake)
        self._on_launch()

    def _bury(self, member: Member, reason: str) -> None:
        if member.readiness is not None:
            member.readiness.cancel()
            member.readiness = None
        member.child.clean_up()
        now = time.monotonic()
        delay = member.backoff.delay_s(now - member.launched_at)
        member.restart_at = now + delay
        name = member.child.name
        self._say(f"{name} ended: {reason}; starting it again in {delay:g} s")
        for line in member.child.last_lines[-_SHOWN_LINES:]:
            self._say(f"    {name}: {line}")
