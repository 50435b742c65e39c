"""The Celery application, and sending the chain of an order."""
