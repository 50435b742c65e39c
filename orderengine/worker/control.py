"""Remote control commands of the workers that differ from Celery's own."""

from typing import Any

from celery.worker.control import Panel, control_command

Answer = dict[str, str]


def register_commands() -> None:
    """Replace Celery's own commands with these in the workers of this process."""
    switch_on = Panel.data["enable_events"]

    def enable_events(state: Any) -> Answer:
        """Tell worker(s) to send task-related events for the next 30 seconds."""
        answer: Answer = switch_on(state)
        state.consumer.keep_task_events()
        return answer

    control_command()(enable_events)
    control_command(
        args=[("task_name", str), ("rate_limit", str)],
        signature="<task_name> <rate_limit (e.g., 5/s | 5/m | 5/h)>",
    )(rate_limit)


def rate_limit(state: Any, **_: Any) -> Answer:  # noqa: ARG001 - Celery's
    """Refused: tasks have no rate limits here."""
    return {
        "error": "tasks have no rate limits: a worker would take the queue into its memory."
        " Run fewer workers, or workers with fewer slots (ORDER_CONCURRENCY)."
    }
