#!/bin/sh
# gunicorn 27.0.1: SCRIPT_NAME in the environment of the server is taken for the path of every request.
#
# Expected: the mount point of an application is an option or a header; a variable that another program
# has exported changes nothing.
# Seen: with SCRIPT_NAME=/app exported, a request for / that begins with no such path is answered with
# 500, and one for /app/x reaches the application with PATH_INFO /x. No option switches that off.
#
# Exits with 1 if that has changed. Needs Python 3 and access to a package index.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet gunicorn==27.0.1
cat > "$folder/echo.py" <<'PYTHON'
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode()]
PYTHON
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

folder = sys.argv[1]
with socket.create_server(("127.0.0.1", 0)) as probe:
    port = probe.getsockname()[1]
url = f"http://127.0.0.1:{port}"


def ask(path):
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(url + path, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def served(**variables):
    server = subprocess.Popen(
        [f"{folder}/venv/bin/gunicorn", "--bind", f"127.0.0.1:{port}", "--log-level", "critical", "echo:app"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **variables},
    )
    try:
        return [ask("/x"), ask("/app/x")]
    finally:
        server.terminate()
        server.wait()


plain, named = served(), served(SCRIPT_NAME="/app")
print("without the variable:", plain)
print("with SCRIPT_NAME=/app:", named)
same = plain == [(200, "/x"), (200, "/app/x")]
sys.exit(0 if same and named == [(500, ""), (200, "/x")] else 1)
PYTHON
