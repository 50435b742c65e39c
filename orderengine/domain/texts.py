"""Decimals and times as texts of JSON, and back."""

from datetime import UTC, datetime
from decimal import Decimal


def time_text(moment: datetime) -> str:
    """An aware time as RFC 3339 text in UTC with microseconds."""
    if moment.tzinfo is not UTC:  # most are: the test costs less than the conversion
        moment = moment.astimezone(UTC)
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def time_from(text: str) -> datetime:
    """Read `time_text`'s form."""
    return datetime.fromisoformat(text)


def decimal_text(value: Decimal) -> str:
    """A decimal without exponent and without trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent_text(bps: Decimal) -> str:
    """Basis points as a percentage."""
    return decimal_text(bps / 100)


def percent_from(text: str) -> Decimal:
    """Read `percent_text`'s form, as basis points."""
    return Decimal(text) * 100
