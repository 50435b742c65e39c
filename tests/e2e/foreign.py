"""Variables that other tools set, each to a value that would mislead a process that reads it."""

from collections.abc import Mapping

_NOWHERE = "127.0.0.1:1"

FOREIGN_TO_ALL: Mapping[str, str] = {
    **dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), f"http://{_NOWHERE}"),
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), f"http://{_NOWHERE}"),
    "CELERY_BROKER_URL": f"redis://{_NOWHERE}/0",
    "CELERY_BROKER_READ_URL": f"redis://{_NOWHERE}/0",
    "CELERY_BROKER_WRITE_URL": f"redis://{_NOWHERE}/0",
    "BROKER_URL": f"redis://{_NOWHERE}/0",
    "RESULT_BACKEND": f"redis://{_NOWHERE}/0",
    "FORWARDED_ALLOW_IPS": "*",
    "PIP_USER": "1",
    "PIP_TARGET": "/nowhere",
    "PYTHONPATH": "/nowhere",
    "UV_PYTHON": "3.0",
    "UV_INDEX_URL": f"http://{_NOWHERE}",
    "WEB_CONCURRENCY": "2",
    "DJANGO_SETTINGS_MODULE": "other.settings",
    "ALEMBIC_CONFIG": "/nowhere/alembic.ini",
    "GUNICORN_CMD_ARGS": "--workers 3",
    "PYTHONWARNINGS": "error",
    "PROMETHEUS_MULTIPROC_DIR": "/nowhere",
    "FLASK_DEBUG": "1",
}
"""No command and no line of the Procfile may change its behavior because of these."""

FOREIGN_TO_LINES: Mapping[str, str] = {
    "SCRIPT_NAME": "/usr/local/bin/tool",
    "CELERY_WORKER_QUEUES": "others",
    "PGSSLMODE": "require",
    "PGOPTIONS": "-c nonsense=x",
    "PGSERVICE": "absent",
    "HOST": "x86_64-conda-linux-gnu",
}
"""`make run` hides these from the lines; a line started alone obeys them, or names them."""
