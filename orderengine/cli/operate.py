"""Shared by the operators' commands: their ports, made from the settings."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from orderengine.cli.common import Surroundings
from orderengine.config.settings import Settings

if TYPE_CHECKING:
    from orderengine.bootstrap.operator import OperatorPorts

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def operator_settings() -> Settings:
    """The settings of an operator's command; raises ConfigurationError for a wrong one."""
    return Settings.from_env(Surroundings.current().environ)


def operator_ports() -> "OperatorPorts":
    """The ports of an operator's command; raises ConfigurationError for a wrong setting."""
    from orderengine.bootstrap.operator import build_operator  # loads PostgreSQL, Redis and Celery

    return build_operator(operator_settings())


class Age(click.ParamType[timedelta]):
    """A whole number of hours, days or weeks, as in `36h`, `30d`, `12w`."""

    name = "age"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Parse the text."""
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"([0-9]{1,5})([hdw])", value)
        if not found:
            self.fail("must be a number of h, d or w, for example 30d", param, ctx)
        return timedelta(**{_UNITS[found[2]]: int(found[1])})
