"""The worker process: Celery tasks, and the reconciler."""
