"""gunicorn: its configuration, and the worker class of a web process."""

from orderengine.process.libraries import load_structlog

load_structlog()
