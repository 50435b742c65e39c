"""The base of the schemas of requests."""

from collections.abc import Mapping
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, missing

from orderengine.domain.fields import camel_case


class RequestSchema(Schema):
    """The base of requests: names in camelCase; unknown fields are refused."""

    class Meta:
        """Documented as closed."""

        unknown = RAISE

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        """Name the field in camelCase unless it has a name of its own."""
        field_obj.data_key = field_obj.data_key or camel_case(field_name)

    def quick_load(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """The same values as `load`, sooner; raises ValidationError for one broken rule only."""
        left = dict(raw)
        read = {}
        for name, field in self.load_fields.items():
            value = left.pop(str(field.data_key), missing)
            if value is not missing or field.required or field.load_default is not missing:
                read[name] = field.deserialize(value, field.data_key, raw)
        if left:
            raise ValidationError("unknown fields")
        return self.finished({name: value for name, value in read.items() if value is not missing})

    def finished(self, values: dict[str, Any]) -> dict[str, Any]:
        """Check values against each other, and leave out those that nobody reads."""
        return values
