"""gunicorn: its configuration, and the worker class of a web process."""
