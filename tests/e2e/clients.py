"""Clients of a stack that requires keys, made with the operator's commands."""

import json
import subprocess

from tests.e2e.stack import Stack


def keys(stack: Stack, *arguments: str) -> dict[str, str]:
    """The output of the `keys` command with these arguments."""
    done = stack.command("keys", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    document: dict[str, str] = json.loads(done.stdout)
    return document


def enter(stack: Stack, client: str) -> dict[str, str]:
    """Make a key of a client, and use it for the stack's requests from now on."""
    made = keys(stack, "create", client)
    stack.headers = {"Authorization": f"Bearer {made['key']}"}
    return made


def bought_ticket(stack: Stack) -> str:
    """A ticket for one socket of the client whose key the stack uses."""
    bought = subprocess.run(
        [
            *("curl", "-s", "-X", "POST", f"{stack.url}/api/tickets"),
            *("-H", f"Authorization: {stack.headers['Authorization']}"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return str(json.loads(bought.stdout)["ticket"])
