#!/bin/sh
# kombu 5.7.0 and redis-py 8.1.0: one URL of Redis has options that only one of them takes.
#
# Expected: kombu's Redis transport stands on redis-py, so that both take the same query options.
# Seen: redis-py takes ?socket_timeout=5, and kombu raises TypeError when it is given the URL. The other way
# round kombu takes ?ssl_cert_reqs=none on redis://, and redis-py raises TypeError, but only when it connects.
#
# Exits with 1 if that has changed. Needs Python 3 and access to a package index.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet kombu==5.7.0 redis==8.1.0 packaging==26.3
"$folder/venv/bin/python" - <<'PYTHON'
import socket
import sys

import kombu
import redis


def of_redis(url):
    try:
        redis.Redis.from_url(url).ping()
    except Exception as error:
        return type(error).__name__
    return "answered"


def of_kombu(url):
    try:
        kombu.Connection(url).ensure_connection(max_retries=1, interval_start=0, timeout=2)
    except Exception as error:
        return type(error).__name__
    return "answered"


with socket.create_server(("127.0.0.1", 0)) as probe:
    port = probe.getsockname()[1]  # nobody listens there afterwards: an option is refused before that
seen = {}
for option in ("socket_timeout=5", "ssl_cert_reqs=none"):
    url = f"redis://127.0.0.1:{port}/0?{option}"
    seen[option] = (of_redis(url), of_kombu(url))
    print(f"?{option}: redis-py {seen[option][0]}, kombu {seen[option][1]}")
wanted = {
    "socket_timeout=5": ("ConnectionError", "TypeError"),
    "ssl_cert_reqs=none": ("TypeError", "OperationalError"),
}
sys.exit(0 if seen == wanted else 1)
PYTHON
