"""Validates a request: returns checked values, or raises one refusal with every broken rule."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flask import Request
from marshmallow import ValidationError

from orderengine.api.answers.problems import ErrorCode, Refused
from orderengine.api.validation.strict_json import shown
from orderengine.domain.errors import Violation

if TYPE_CHECKING:
    from orderengine.api.validation.requests import RequestSchema

KEY_HEADER = "Idempotency-Key"
KEY_REPLAYED = "Idempotency-Replayed"
MAX_KEY = 255
KEY_SCHEMA = {"type": "string", "minLength": 1, "maxLength": MAX_KEY, "pattern": "^[!-~]+$"}
_KEY = re.compile(f"[!-~]{{1,{MAX_KEY}}}")

MAX_REPORTED = 20
"""The most rules that a refusal names. Known fields come first: only unknown ones are cut."""


def read_key(request: Request) -> str | None:
    """The Idempotency-Key, unchanged, or None; raises Refused (400) if it is malformed."""
    key = request.headers.get(KEY_HEADER)
    if key is not None and not _KEY.fullmatch(key):
        message = f"must be 1 to {MAX_KEY} visible ASCII characters"
        raise validation_error([Violation(KEY_HEADER, "visible_ascii", message)])
    return key


def read_query(schema: "RequestSchema", request: Request) -> dict[str, Any]:
    """The values in a query string; raises Refused, also if a parameter is given twice."""
    given = dict(request.args.lists())
    repeated = [
        Violation(shown(name), "repeated", "must be given once only")
        for name, values in given.items()
        if len(values) > 1
    ]
    if repeated:
        raise validation_error(repeated)
    return load(schema, {name: values[0] for name, values in given.items()})


def load(schema: "RequestSchema", raw: Mapping[str, Any]) -> dict[str, Any]:
    """Check raw values against a schema; raises Refused (400) with every broken rule.

    The schema's own fields come first, in its order, then unknown ones in the order given. Null
    stands for an optional field that is not given.
    """
    required = {
        field.data_key or name: field.required for name, field in schema.load_fields.items()
    }
    known = list(required)
    given = {name: raw[name] for name in raw if raw[name] is not None or required.get(name, True)}
    try:
        return schema.quick_load(given)
    except ValidationError:
        broken: Mapping[str, Any] = schema.validate(given)
    violations = [
        Violation(f"{name}{rule.member}", rule.rule, rule.message)
        for name in known
        for rule in broken.get(name, ())
    ]
    unknown = [name for name in raw if name not in known]
    for name in unknown:
        # Only the first unknown field's message lists the known fields.
        listed = f"; the fields are: {', '.join(known)}" if name == unknown[0] else ""
        violations.append(Violation(shown(name), "unknown", f"is not a field here{listed}"))
    raise validation_error(violations)


def validation_error(broken: Sequence[Violation]) -> Refused:
    """The answer (400) to a request that breaks these rules; it names the first ones."""
    reported = broken[:MAX_REPORTED]
    detail = "; ".join(f"{found.field} {found.message}" for found in reported)
    return Refused(400, ErrorCode.VALIDATION_FAILED, detail, reported)
