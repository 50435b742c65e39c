"""The worker process: Celery tasks, and the reconciler."""

from orderengine.process.libraries import load_structlog

load_structlog()
