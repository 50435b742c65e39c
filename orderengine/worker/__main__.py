"""A worker: `python -m orderengine.worker`, with the options of Celery's command for workers.

It does what `celery -A orderengine.worker.app worker` does, in 12 MB less: that one also loads
Celery's other commands, Flower, and an interactive shell.
"""

import sys

from orderengine.process.libraries import without


def main() -> None:
    """Run until SIGTERM or SIGINT, and exit."""
    # Celery repeats these arguments when SIGHUP restarts a worker.
    sys.argv[:1] = ["-m", "orderengine.worker"]
    with without("pygments"):  # for what Celery's other commands show
        from celery.bin.base import CLIContext
        from celery.bin.worker import worker

    from orderengine.worker.app import app

    context = CLIContext(app=app, no_color=True, workdir=None)
    worker.main(sys.argv[2:], prog_name="python -m orderengine.worker", obj=context)


if __name__ == "__main__":
    main()
