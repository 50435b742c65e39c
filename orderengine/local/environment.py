"""The environment of `make run`: the process's own, the `.env` file, and what follows from both."""

import os
import re
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from orderengine.config.addresses import is_address, is_loopback, reachable_host
from orderengine.config.settings import WEB_OPTIONS, WORKER_OPTIONS
from orderengine.local.errors import LocalError
from orderengine.local.ports import LOOPBACK

_ASSIGNMENT = re.compile(r"(?:export\s+)?(?P<key>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?P<value>.*)")
# Options of another service's server, and paths to other modules: they would win over the lines.
_FOREIGN = re.compile(
    rf"{WEB_OPTIONS.pattern}|{WORKER_OPTIONS.pattern}|FORWARDED_ALLOW_IPS|PYTHONHOME|ALEMBIC_CONFIG"
)
_UNPOOLED = "DATABASE_URL_UNPOOLED"
_WALLET = frozenset({"SOLANA_KEYPAIR_FILE", "SOLANA_PRIVATE_KEY"})


def parse_env_file(text: str) -> dict[str, str]:
    """`KEY=VALUE` lines; comments and quotes around a value are dropped, nothing is expanded."""
    values = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        match = _ASSIGNMENT.fullmatch(line)
        if match is None:
            raise LocalError(f".env, line {number}: expected KEY=VALUE")
        values[match["key"]] = _unquoted(match["value"])
    return values


def _unquoted(value: str) -> str:
    if value[:1] in {"'", '"'}:
        closing = value.find(value[0], 1)
        return value[1:closing] if closing > 0 else value
    return re.split(r"\s#", value, maxsplit=1)[0].rstrip()


def environment_of(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The process's environment over that of the checkout's `.env`.

    It ignores a HOST of the shell that is a name and not an address: another tool has set it. It
    takes the unpooled URL only from the same source as `DATABASE_URL`: beside another one, or an
    embedded server, somebody else's database would be migrated.
    """
    try:
        from_file = parse_env_file((root / ".env").read_text())
    except FileNotFoundError:
        from_file = {}
    foreign = {"HOST"} if foreign_host(environ) else set()
    env = {**from_file, **{name: environ[name] for name in environ if name not in foreign}}
    source = environ if "DATABASE_URL" in environ else from_file
    if not source.get("DATABASE_URL") or _UNPOOLED not in source:
        env.pop(_UNPOOLED, None)
    else:
        env[_UNPOOLED] = source[_UNPOOLED]
    return env


def foreign_host(environ: Mapping[str, str]) -> str | None:
    """The HOST if a shell or a tool such as conda has set it to a name; None for an address."""
    host = environ.get("HOST")
    return host if host and not is_address(host) else None


def forget_libpq(env: Mapping[str, str], own: MutableMapping[str, str]) -> None:
    """Drops PGSSLMODE and its like from a process's environment where no DATABASE_URL is set.

    They are meant for another server: the URL of this checkout's own server needs none of them.
    """
    if not env.get("DATABASE_URL"):
        for name in [name for name in own if name.startswith("PG")]:
            del own[name]


@dataclass(frozen=True)
class Address:
    """The address on which a child listens, and under which it is reached from here."""

    host: str
    port: int
    variable: str

    @property
    def reachable_host(self) -> str:
        """The host to connect to; loopback where it listens on all interfaces."""
        return reachable_host(self.host)

    @property
    def is_local(self) -> bool:
        """Whether nobody but this machine can reach it."""
        return is_loopback(self.host)

    @property
    def netloc(self) -> str:
        """Host and port as in a URL."""
        host = self.reachable_host
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


@dataclass(frozen=True)
class Addresses:
    """The addresses of the stack, and the URLs of its servers; None for a server to be started."""

    api: Address
    flower: Address
    database_url: str | None
    redis_url: str | None

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Addresses":
        """Raises LocalError for an invalid port, or one that is used twice."""
        api = Address(env.get("HOST") or LOOPBACK, _port(env, "PORT", 3000), "PORT")
        flower = Address(
            env.get("FLOWER_HOST") or LOOPBACK, _port(env, "FLOWER_PORT", 5555), "FLOWER_PORT"
        )
        if api.port == flower.port:
            raise LocalError(f"PORT and FLOWER_PORT are both {api.port}: set one to another port")
        return cls(api, flower, env.get("DATABASE_URL") or None, env.get("REDIS_URL") or None)


def without_wallet(env: Mapping[str, str]) -> dict[str, str]:
    """An environment that does not say where the wallet's key is: the worker alone signs."""
    return {name: value for name, value in env.items() if name not in _WALLET}


def _port(env: Mapping[str, str], variable: str, default: int) -> int:
    text = env.get(variable) or str(default)
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) < 65_536:
        raise LocalError(f"{variable}={text} is not a port: set it to a number from 1 to 65535")
    return int(text)


def child_environment(
    env: Mapping[str, str],
    addresses: Addresses,
    database_url: str,
    redis_url: str,
    localnet: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The environment of the Procfile's lines; the programs of this Python come first.

    `localnet` is the settings of a localnet, which has a wallet of its own.
    """
    if localnet:
        env = {**without_wallet(env), **localnet}
    programs = str(Path(sys.executable).parent)
    kept = {name: value for name, value in env.items() if not _FOREIGN.fullmatch(name)}
    if addresses.database_url is None:
        # libpq's variables are meant for another server than the embedded one.
        kept = {name: value for name, value in kept.items() if not name.startswith("PG")}
    return {
        **kept,
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "HOST": addresses.api.host,
        **({"AUTH": "off"} if addresses.api.is_local and not env.get("AUTH") else {}),
        "PORT": str(addresses.api.port),
        "FLOWER_PORT": str(addresses.flower.port),
        "PATH": os.pathsep.join(filter(None, (programs, env.get("PATH") or os.defpath))),
        "PYTHONUNBUFFERED": "1",
    }
