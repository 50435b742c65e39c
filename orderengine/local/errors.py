"""Errors that the user sees instead of a traceback."""


class LocalError(Exception):
    """Something the user can act on; the message is complete and free of secrets."""


class BinaryNotFoundError(LocalError):
    """No server binary that works on this platform was found."""


class ServerError(LocalError):
    """An embedded server could not be prepared or started."""
