"""Functions that write values as documents and read them back, made from the values' declarations.

They are written as source text and compiled, as `dataclasses` writes `__init__`: a loop over the
fields would take half as long again for each value (docs/decisions/0066-declared-fields.md).
"""

import linecache
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from enum import Enum
from itertools import groupby, takewhile
from typing import Any, TypeVar, get_args, get_origin

from orderengine.domain.fields import Document, Member, Seen, members, once, shown

T = TypeVar("T")


class Source:
    """The text of one function, and the objects that it names."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._scope: dict[str, Any] = {}

    def named(self, thing: Any) -> str:
        """The name of an object in the text."""
        for name, known in self._scope.items():
            if known is thing:
                return name
        name = f"{getattr(thing, '__name__', type(thing).__name__)}_{len(self._scope)}"
        self._scope[name] = thing
        return name

    def called(self, function: Callable[[Any], Any] | None, place: str) -> str:
        """The expression that calls a function with what stands at a place; None calls nothing."""
        return place if function is None else f"{self.named(function)}({place})"

    def compiled(self, parameters: str, lines: Sequence[str]) -> Callable[..., Any]:
        """The function with this body."""
        body = "".join(f"    {line}\n" for line in lines)
        text, file = f"def {self._name}({parameters}):\n{body}", f"<declared {self._name}>"
        # For tracebacks, which show the lines of a file of this name.
        linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file
        exec(compile(text, file, "exec"), self._scope)  # noqa: S102 - of declarations alone
        made: Callable[..., Any] = self._scope[self._name]
        return made


class _Choices(dict[Any, Any]):
    """The members of an enum by value: quicker than the enum, which raises for other values."""

    def __init__(self, kind: type[Enum]) -> None:
        super().__init__((each.value, each) for each in kind)
        self._kind = kind

    def __missing__(self, value: Any) -> Any:
        return self._kind(value)


@once
def document_of(value: type[T], without: str = "") -> Callable[[T], Document]:
    """The function that writes a value as clients see it; members that are None are absent.

    It leaves out the member `without`, named as in JSON.
    """
    source = Source(f"{value.__name__}_document")
    told = [each for each in shown(value) if each.name != without]
    first = list(takewhile(lambda each: each.guard is None, told))
    entries = [
        f"    {each.name!r}: {_written(source, each, f'value.{each.path}')}," for each in first
    ]
    lines = ["document = {", *entries, "}"]
    for guard, group in groupby(told[len(first) :], key=lambda each: each.guard):
        if guard is None:
            lines += [_set(source, each, f"value.{each.path}") for each in group]
        else:
            places = [(each, f"given{each.path.removeprefix(guard)}") for each in group]
            lines += [f"given = value.{guard}", "if given is not None:"]
            lines += [f"    {_set(source, each, place)}" for each, place in places]
    return source.compiled("value", [*lines, "return document"])


@once
def record_of(value: type[T]) -> Callable[[T], Document]:
    """The function that writes what operators see of a value, under the names of its fields."""
    source = Source(f"{value.__name__}_record")
    lines = ["return {"]
    for each in _kept(value):
        written = _written(source, each, f"value.{each.path}")
        if each.guard and written != f"value.{each.path}":
            given = _written(source, each, "given")
            written = f"None if (given := value.{each.path}) is None else {given}"
        lines.append(f"    {each.name!r}: {written},")
    return source.compiled("value", [*lines, "}"])


@once
def value_from(value: type[T]) -> Callable[[Mapping[str, Any]], T]:
    """The function that reads the form of `record_of`, or of `document_of` without flat values.

    It raises KeyError, TypeError, ValueError or ArithmeticError for anything else.
    """
    source = Source(f"{value.__name__}_from")
    kept = {each.path for each in _kept(value)}
    lines = [f"return {source.named(value)}("]
    for each in members(value):
        if each.told.read is not None:
            lines.append(f"    {each.path}={source.named(each.told.read)}(document),")
        elif each.path in kept:
            lines.append(f"    {each.path}={_read(source, each)},")
        elif not each.is_part and not each.has_default:
            raise TypeError(f"no document has {value.__name__}.{each.path}")
    return source.compiled("document", [*lines, ")"])


def _set(source: Source, member: Member, place: str) -> str:
    told = f"document[{member.name!r}] = {_written(source, member, place)}"
    return f"if {place} is not None: {told}" if member.is_partial else told


def _kept(value: type[Any]) -> list[Member]:
    return [
        each for each in members(value) if not each.is_part and each.told.seen >= Seen.OPERATORS
    ]


def _written(source: Source, member: Member, place: str) -> str:
    """The expression that writes what stands at a place."""
    if member.form is not None:
        return source.called(member.form.write, place)
    kind = member.kind
    if get_origin(kind) is tuple:
        one = source.called(document_of(get_args(kind)[0]), "each")
        return f"[{one} for each in {place}]"
    if _is_value(kind):
        return source.called(document_of(kind), place)
    return f"{place}._value_" if member.is_enum else f"dict({place})"


def _read(source: Source, member: Member) -> str:
    """The expression that reads a member from `document`."""
    place = f"document[{member.name!r}]"
    if member.guard is None:
        return reading(source, member, place)
    read = reading(source, member, "given")
    return place if read == "given" else f"None if (given := {place}) is None else {read}"


def reading(source: Source, member: Member, place: str) -> str:
    """The expression that reads the written form of a member from a place."""
    if member.form is not None:
        return source.called(member.form.read, place)
    kind = member.kind
    if get_origin(kind) is tuple:
        return f"tuple(map({source.named(value_from(get_args(kind)[0]))}, {place}))"
    if _is_value(kind):
        return source.called(value_from(kind), place)
    return f"{source.named(_Choices(kind))}[{place}]" if member.is_enum else f"dict({place})"


def _is_value(kind: Any) -> bool:
    return is_dataclass(kind)
