"""The Procfile: one `name: command` a line, the contract between the project and its runner."""

import re
import shlex

from orderengine.local.errors import LocalError

_LINE = re.compile(r"(?P<name>[A-Za-z0-9_-]+):\s*(?P<command>\S.*)")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_OPERATORS = frozenset({";", "&", "&&", "|", "||", "(", ")"})


def parse_procfile(text: str) -> dict[str, str]:
    """Commands by name, in the order of the file; LocalError for a bad or repeated line."""
    commands: dict[str, str] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise LocalError(f"Procfile, line {number}: expected `name: command`")
        if match["name"] in commands:
            raise LocalError(f"Procfile, line {number}: a second line for {match['name']}")
        commands[match["name"]] = match["command"]
    return commands


def is_single_program(command: str) -> bool:
    """Whether the command can replace the shell (exec)."""
    words = shlex.shlex(command, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    try:
        return _OPERATORS.isdisjoint(words)
    except ValueError:  # unclosed quotes, which the shell reports
        return False


def shell_line(command: str) -> str:
    """The argument for `/bin/sh -c`; where possible, no shell stays in between."""
    if not is_single_program(command) or command.startswith("exec "):
        return command
    return f"exec env {command}" if _ASSIGNMENT.match(command) else f"exec {command}"
