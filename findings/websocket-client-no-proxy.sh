#!/bin/sh
# websocket-client 1.9.2: `http_no_proxy` is read only where `http_proxy_host` is given too.
#
# Expected: create_connection("ws://127.0.0.1:PORT/", http_no_proxy=["*"]) connects to 127.0.0.1, as the
# option's name says, whatever `http_proxy` in the environment is.
# Seen: it connects to the proxy that `http_proxy` names, loopback or not; with http_proxy_host="none"
# added, the same call goes to 127.0.0.1.
#
# Exits with 1 if that has changed. Needs Python 3 and access to a package index.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet websocket-client==1.9.2
"$folder/venv/bin/python" - <<'PYTHON'
import os
import socket
import sys

import websocket


def proxy_is_asked(proxy, target, **options):
    try:
        websocket.create_connection(f"ws://127.0.0.1:{target}/", timeout=1, **options).close()
    except (OSError, websocket.WebSocketException):
        pass
    proxy.settimeout(0.2)
    try:
        proxy.accept()[0].close()
    except TimeoutError:
        return False
    return True


with socket.create_server(("127.0.0.1", 0)) as proxy, socket.create_server(("127.0.0.1", 0)) as web:
    os.environ["http_proxy"] = f"http://127.0.0.1:{proxy.getsockname()[1]}"
    target = web.getsockname()[1]
    alone = proxy_is_asked(proxy, target, http_no_proxy=["*"])
    named = proxy_is_asked(proxy, target, http_no_proxy=["*"], http_proxy_host="none")
print("http_no_proxy alone asks the proxy:", alone)
print("http_no_proxy with http_proxy_host asks the proxy:", named)
sys.exit(0 if alone and not named else 1)
PYTHON
