"""One hostile request, and the parts of many."""

import json
from dataclasses import dataclass, field

SWAP = {"symbol": '"AAPL"', "side": '"buy"', "quantity": "10"}
EXECUTE = "/api/orders/execute"


@dataclass(frozen=True)
class Hostile:
    """A request, and the field that its refusal must name, or the status if it names none.

    With a `rule`, the refusal names exactly this field with this rule.
    """

    family: str
    name: str
    abuses: str
    method: str = "POST"
    path: str = EXECUTE
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    statuses: tuple[int, ...] = (400,)
    rule: str = ""

    def __str__(self) -> str:
        return ascii(f"{self.family}: {self.name}")[1:80]

    @property
    def sent(self) -> tuple[object, ...]:
        """What is sent; no two requests of the corpus send the same."""
        return (self.method, self.path, self.body, str(self.headers))


def body_of(**changed: str) -> bytes:
    """The text of an order whose fields are given as JSON text."""
    members = ",".join(f'"{name}":{text}' for name, text in {**SWAP, **changed}.items())
    return ("{" + members + "}").encode("utf-8", "surrogatepass")


def quoted(text: str) -> str:
    return json.dumps(text)
