"""`python -m orderengine.local COMMAND`: what the Makefile calls."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from orderengine.config.settings import ConfigurationError
from orderengine.local.environment import environment_of, foreign_host, forget_libpq
from orderengine.local.errors import LocalError
from orderengine.local.output import Mask

_CHECKOUT = Path(__file__).resolve().parents[2]
_COMMANDS = (
    *("run", "check", "demo", "migrate", "check-redis", "check-db", "check-servers"),
    *("api-url", "clean"),
)


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0, or 1 after one message on standard error."""
    parser = argparse.ArgumentParser(prog="python -m orderengine.local", description=__doc__)
    parser.add_argument("command", choices=_COMMANDS)
    parser.add_argument("--root", type=Path, default=_CHECKOUT, help="the checkout to run")
    given = sys.argv[1:] if arguments is None else arguments
    end = given.index("--") if "--" in given else len(given)
    options, demo_arguments = parser.parse_args(given[:end]), given[end + 1 :]
    if demo_arguments and options.command != "demo":
        parser.error(f"{options.command} takes no arguments")
    env: dict[str, str] = dict(os.environ)
    try:
        root = options.root.resolve()
        env = environment_of(root, os.environ)
        forget_libpq(env, os.environ)
        if options.command == "run" and (host := foreign_host(os.environ)):
            note = "is not an address, and is ignored; set an address, or put the name into .env"
            print(f"HOST={host} {note}", file=sys.stderr)
        return _commands(demo_arguments)[options.command](root, env)
    except (ConfigurationError, LocalError) as error:
        message = str(error)
    except PermissionError as error:
        from orderengine.local.files import denied  # which a platform without file locks has not

        message = denied(Path(error.filename or options.root))
    except OSError as error:
        message = f"{error.filename or 'the system'}: {error.strerror or error}"
    except KeyboardInterrupt:
        return 0
    urls = (env.get("DATABASE_URL") or "", env.get("REDIS_URL") or "")
    print(f"orderengine: {Mask(urls)(message)}", file=sys.stderr)
    return 1


def _commands(
    arguments: Sequence[str],
) -> dict[str, Callable[[Path, Mapping[str, str]], int]]:
    from orderengine.local.checks import check_db, check_redis, check_servers
    from orderengine.local.demo import demo
    from orderengine.local.migrate import migrate
    from orderengine.local.run import check, clean, run
    from orderengine.local.runfile import api_url

    return {
        "run": run,
        "check": check,
        "clean": clean,
        "migrate": migrate,
        "demo": lambda root, env: demo(root, env, arguments),
        "check-redis": lambda root, env: _tell(check_redis(root, env)),
        "check-db": lambda root, env: _tell(check_db(root, env)),
        "check-servers": check_servers,
        "api-url": lambda root, env: _tell(api_url(root, env)),
    }


def _tell(answer: str) -> int:
    print(answer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
