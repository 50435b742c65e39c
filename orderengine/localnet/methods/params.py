"""The parameters of one request, read with the errors that a node gives."""

from typing import Any

from solders.pubkey import Pubkey

from orderengine.localnet.errors import invalid_params


class Params:
    """A list of positional parameters."""

    def __init__(self, values: object) -> None:
        if values is None:
            values = []
        if not isinstance(values, list):
            raise invalid_params("a list is expected")
        self._values: list[Any] = values

    def config(self, index: int) -> dict[str, Any]:
        """The object at a place; empty if it is missing."""
        value = self._values[index] if index < len(self._values) else None
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise invalid_params(f"an object is expected at {index}")
        return value

    def text(self, index: int) -> str:
        """The text at a place."""
        value = self._at(index)
        if not isinstance(value, str):
            raise invalid_params(f"a text is expected at {index}")
        return value

    def integer(self, index: int) -> int:
        """The integer at a place."""
        value = self._at(index)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise invalid_params(f"an unsigned integer is expected at {index}")
        return value

    def integer_or_none(self, index: int) -> int | None:
        """The integer at a place, or None if there is an object, null or nothing."""
        if index >= len(self._values) or not isinstance(self._values[index], int):
            return None
        return self.integer(index)

    def texts(self, index: int) -> list[str]:
        """The list of texts at a place."""
        values = self._at(index)
        if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
            raise invalid_params(f"a list of texts is expected at {index}")
        return values

    def key(self, index: int) -> Pubkey:
        """The address at a place."""
        return key_of(self.text(index))

    def _at(self, index: int) -> Any:
        if index >= len(self._values):
            raise invalid_params(f"{index + 1} parameters are expected")
        return self._values[index]


def key_of(text: str) -> Pubkey:
    """The address of a text."""
    try:
        return Pubkey.from_string(text)
    except ValueError as error:
        raise invalid_params(f"{text!r} is no address") from error
