"""The Celery application, with the configuration of `celeryconfig.py`."""

from celery import Celery

TRANSPORT = "orderengine.dispatch.transport:Transport"
MESSAGING = "orderengine.dispatch.transport:LeanAMQP"


def create_celery(broker_url: str, *, timeout_s: float | None = None) -> Celery:
    """Make the application; it connects to nothing yet.

    `timeout_s` bounds each exchange with the broker for a process that must not wait, and makes
    it try only once; None keeps the worker's patience.
    """
    app = Celery("orderengine", broker=broker_url, amqp=MESSAGING)
    app.config_from_object("celeryconfig")
    app.conf.broker_transport = TRANSPORT
    if timeout_s is not None:
        app.conf.broker_connection_timeout = timeout_s
        app.conf.broker_pool_acquire_timeout = timeout_s
        app.conf.broker_transport_options = {
            **app.conf.broker_transport_options,
            "socket_timeout": timeout_s,
            "socket_connect_timeout": timeout_s,
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0,
            "connect_retries_timeout": timeout_s,
        }
    return app
