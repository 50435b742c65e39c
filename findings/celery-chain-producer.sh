#!/bin/sh
# celery 5.7.0: a chain accepts a producer, and sends its first task over another one.
#
# Expected: chain(...).apply_async(producer=P) sends over P, as apply_async(producer=P) of a single task
# does; so many chains in one batch of P would be sent together.
# Seen: a single signature passes the producer on to send_task; the chain takes it as a parameter of its
# own and drops it, so each chain borrows another producer from the pool.
#
# Exits with 1 if that has changed. Needs Python 3 and access to a package index.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet celery==5.7.0
"$folder/venv/bin/python" - <<'PYTHON'
import sys

from celery import Celery, chain


class Recording(Celery):
    seen = []

    def send_task(self, name, args=None, kwargs=None, **options):
        self.seen.append(options.get("producer"))
        return self.AsyncResult(options.get("task_id") or "id")


app = Recording("name", broker="memory://", set_as_current=False)
producer = object()
first, second = app.signature("first"), app.signature("second")
first.apply_async(producer=producer)
chain(first, second, app=app).apply_async(producer=producer)
alone, chained = (each is producer for each in app.seen)
print("a single task is sent over the given producer:", alone)
print("a chain is sent over the given producer:", chained)
sys.exit(0 if (alone, chained) == (True, False) else 1)
PYTHON
