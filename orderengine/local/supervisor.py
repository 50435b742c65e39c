"""`make run`: the servers, the release line, the Procfile's processes, and their orderly end."""

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from orderengine.local.banner import ready_block
from orderengine.local.children import Child, ProcfileChild
from orderengine.local.environment import (
    Address,
    Addresses,
    child_environment,
    without_wallet,
)
from orderengine.local.errors import LocalError
from orderengine.local.localnet_server import EmbeddedLocalnet, is_localnet
from orderengine.local.loop import Loop, StopRequests
from orderengine.local.output import Mask, Output
from orderengine.local.postgres_server import EmbeddedPostgres
from orderengine.local.processes import ProcessRef, outcome
from orderengine.local.readable import readable
from orderengine.local.readiness import (
    flower_is_ready,
    redis_trouble,
    web_is_ready,
    worker_is_ready,
)
from orderengine.local.redis_server import EmbeddedRedis
from orderengine.local.runfile import Run, forget_run, own_ref, state_folder
from orderengine.local.server import EmbeddedServer
from orderengine.local.team import Team
from orderengine.redis.advice import state_and_advice

_READY_WITHIN_S = 60.0
# Deadlines in seconds after the request to stop: then the processes of each stage are killed.
_WEB_UNTIL_S, _OTHERS_UNTIL_S, _SERVERS_UNTIL_S = 3.0, 6.5, 9.0


class Supervisor:
    """Runs the stack of a checkout in the foreground; expects its folder to be locked."""

    def __init__(
        self, root: Path, env: Mapping[str, str], addresses: Addresses, commands: Mapping[str, str]
    ) -> None:
        self._root = root
        self._env = env
        self._addresses = addresses
        self._commands = dict(commands)
        self._folder = state_folder(root)
        self._loop = Loop()
        self._stop = StopRequests()
        self._is_terminal = sys.stdout.isatty()
        color = self._is_terminal and not env.get("NO_COLOR")
        self._output = Output(sys.stdout.fileno(), color=color)
        self._team = Team(self._loop, self._say, self._save_run)
        self._release: ProcfileChild | None = None
        self._run: Run | None = None
        self.servers: dict[str, EmbeddedServer] = {}
        if addresses.redis_url is None:
            self.servers["redis"] = EmbeddedRedis(self._folder / "redis", environ=env)
        if addresses.database_url is None:
            self.servers["postgres"] = EmbeddedPostgres(self._folder / "postgres", environ=env)
        self._localnet: EmbeddedLocalnet | None = None
        if is_localnet(env):
            self._localnet = EmbeddedLocalnet(self._folder / "localnet", environ=env)
            self.servers["localnet"] = self._localnet

    def run(self) -> int:
        """Runs until it is asked to stop: 0; or until the stack cannot be brought up: 1."""
        self._stop.listen()
        self._loop.wake_on_signals()
        status = 0
        try:
            self._bring_up()
            while not self._stop.stopping:
                self._team.turn()
        except KeyboardInterrupt:
            pass
        except LocalError as error:
            self._say(f"error: {error}")
            status = 1
        finally:
            self._shut_down()
        return status

    def _show(self, name: str, text: str) -> None:
        """Write a line of a child."""
        for line in readable(text) if self._is_terminal else (text,):
            self._output.line(name, line)

    def _say(self, text: str) -> None:
        for line in text.splitlines():
            self._output.line("run", line)

    def _bring_up(self) -> None:
        with self._stop.interrupting():
            for server in self.servers.values():
                began = time.monotonic()
                server.start()
                self._say(f"{server.name} is ready ({time.monotonic() - began:.1f} s)")
        self._open_run()
        for server in self.servers.values():
            self._team.add(server, running=True)
        self._migrate()
        for name in self._commands:
            self._team.add(self._child(name))
        self._wait_until_ready()

    def _open_run(self) -> None:
        database_url = self._addresses.database_url or self.servers["postgres"].url
        redis_url = self._addresses.redis_url or self.servers["redis"].url
        self._output.mask = Mask((database_url, redis_url))
        localnet = {} if self._localnet is None else self._localnet.settings
        self._env = child_environment(self._env, self._addresses, database_url, redis_url, localnet)
        self._run = Run(
            supervisor=own_ref(),
            api_url=f"http://{self._addresses.api.netloc}",
            database_url=database_url,
            redis_url=redis_url,
            flower_port=self._addresses.flower.port,
            localnet=localnet,
        )
        self._save_run()

    def _save_run(self) -> None:
        """Records the children, so that the next command can end them if this process is killed."""
        if self._run is None:
            return
        self._run.children.clear()
        for child in self._children():
            ref = ProcessRef.of(child.process.pid) if child.process else None
            if ref is not None and isinstance(child, ProcfileChild):
                self._run.children[child.name] = ref
        self._run.save(self._folder)

    def _children(self) -> list[Child]:
        release = [] if self._release is None else [self._release]
        return [*release, *(member.child for member in self._team.members)]

    def _child(self, name: str, command: str | None = None) -> ProcfileChild:
        return ProcfileChild(
            name,
            command or self._commands[name],
            root=self._root,
            env=self._env if name == "worker" else without_wallet(self._env),
            loop=self._loop,
            write=self._show,
            probe=self._probe(name),
        )

    def _probe(self, name: str) -> Callable[[], bool]:
        probes: dict[str, tuple[Callable[[Address], bool], Address]] = {
            "web": (web_is_ready, self._addresses.api),
            "worker": (worker_is_ready, self._addresses.api),
            "flower": (flower_is_ready, self._addresses.flower),
        }
        if name not in probes:
            return lambda: True
        is_ready, address = probes[name]
        return lambda: is_ready(address)

    def _migrate(self) -> None:
        command = self._commands.pop("release", None)
        if command is None:
            return
        self._release = release = self._child("release", command)
        release.launch()
        self._save_run()
        while release.is_running and not self._stop.stopping:
            self._team.turn()
        if self._stop.stopping:
            return
        release.clean_up()
        code = release.process.returncode if release.process else 0
        self._release = None
        if code != 0:
            raise LocalError(f"the release line failed: {outcome(code)}")

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_WITHIN_S
        while self._team.unready and not self._stop.stopping:
            if time.monotonic() > deadline:
                child = self._team.unready[0]
                words = "".join(f"\n    {line}" for line in child.last_lines) or " nothing"
                raise LocalError(
                    f"{child.name} was not ready within {_READY_WITHIN_S:.0f} s;"
                    f" its last output:{words}"
                )
            self._require_redis()
            self._team.turn()
        if not self._stop.stopping:
            self._team.turn()
            url = None if self._localnet is None else self._localnet.url
            self._output.block(ready_block(self._addresses, url))

    def _require_redis(self) -> None:
        """Raises LocalError if a named Redis takes no messages: no worker would get ready."""
        if self._addresses.redis_url is None or any(c.name == "web" for c in self._team.unready):
            return
        trouble = redis_trouble(self._addresses.api)
        if trouble is not None:
            _, advice = state_and_advice(trouble)
            raise LocalError(
                f"Redis takes no messages ({trouble}): {advice} (REDIS_URL is"
                f" {self._addresses.redis_url})"
            )

    def _shut_down(self) -> None:
        """Stops in the order that loses least: first no new orders, the data servers last."""
        began = time.monotonic()
        self._say("stopping; Ctrl-C again stops at once")
        self._team.rest()
        children = self._children()
        servers: list[Child] = list(self.servers.values())
        web = [child for child in children if child.name in {"web", "release"}]
        others = [child for child in children if child not in web and child not in servers]
        self._end(web, began + _WEB_UNTIL_S)
        self._end(others, began + _OTHERS_UNTIL_S)
        self._end(servers, began + _SERVERS_UNTIL_S)
        for server in self.servers.values():
            server.stop(timeout_s=1.0)
        forget_run(self._folder)
        self._say(f"stopped ({time.monotonic() - began:.1f} s)")

    def _end(self, children: list[Child], deadline: float) -> None:
        if not self._stop.at_once:
            for child in children:
                child.request_stop()
        while any(child.is_running for child in children):
            left_s = deadline - time.monotonic()
            if self._stop.at_once or left_s <= 0:
                break
            self._loop.turn(min(left_s, 0.5))
        for child in children:
            if child.is_running:
                reason = "" if self._stop.at_once else "did not stop in time and "
                self._say(f"{child.name} {reason}is killed")
                child.kill()
            child.clean_up()
