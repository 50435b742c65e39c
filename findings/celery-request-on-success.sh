#!/bin/sh
# celery 5.7.0: a task's own request class is told of a failure, and never of a success.
#
# A task may name its request class (Task.Request), to act when a request ends.
# Expected: the worker calls on_success and on_failure of that class alike.
# Seen: the worker derives a class from it for each task, whose own on_success neither calls the one that
# it overrides nor leaves a way to it. on_failure is inherited, and called. So what a class does after
# each end, such as waking the event loop for the next message, happens after failures alone.
#
# Exits with 1 if that has changed. Needs Python 3 and access to a package index.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet celery==5.7.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import threading

from celery import Celery
from celery.contrib.testing.worker import start_worker
from celery.worker.request import Request

app = Celery("name", broker="memory://", set_as_current=False)
app.conf.task_ignore_result = True
told = []
ended = {"good": threading.Event(), "bad": threading.Event()}


class Telling(Request):
    def on_success(self, *args, **options):
        told.append("success")
        return super().on_success(*args, **options)

    def on_failure(self, *args, **options):
        told.append("failure")
        answer = super().on_failure(*args, **options)
        ended["bad"].set()
        return answer


@app.task(Request=Telling, shared=False)
def good():
    ended["good"].set()


@app.task(Request=Telling, shared=False)
def bad():
    raise ValueError("as wanted")


with start_worker(app, pool="threads", concurrency=1, perform_ping_check=False, loglevel="CRITICAL"):
    good.delay()
    bad.delay()  # one thread: it runs after the good one has ended altogether
    assert all(event.wait(30) for event in ended.values())
print("told of:", told)
sys.exit(0 if told == ["failure"] else 1)
PYTHON
