#!/bin/sh
# celery 5.7.0: CELERY_LOADER in the environment decides over an application that names no loader.
#
# Expected: Celery("name", broker=...) uses Celery's loader of applications, whatever is exported.
# Seen: with CELERY_LOADER=default exported the same application gets the loader of the variable, which
# looks for a module celeryconfig by itself; only a loader that is given as an argument stands.
#
# Exits with 1 if that has changed. Needs Python 3 and access to a package index.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet celery==5.7.0
"$folder/venv/bin/python" - <<'PYTHON'
import os
import sys

from celery import Celery


def loader(**options):
    return type(Celery("name", broker="memory://", set_as_current=False, **options).loader).__name__


plain = loader()
os.environ["CELERY_LOADER"] = "default"
exported = loader()
named = loader(loader="celery.loaders.app:AppLoader")
print("nothing exported:", plain)
print("CELERY_LOADER=default:", exported)
print("the same, with loader= given:", named)
sys.exit(0 if (plain, exported, named) == ("AppLoader", "Loader", "AppLoader") else 1)
PYTHON
