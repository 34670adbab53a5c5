"""What a caller may send, said once: looked at by it, and described by it in the OpenAPI document."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bwm.api.bodies import is_sound, whole
from bwm.api.problems import Problem

Kind = Literal["text", "texts", "whole", "flag"]


@dataclass(frozen=True, slots=True)
class Field:
    """One member of a body, or one parameter. ``pattern`` must match the whole of a text."""

    name: str
    kind: Kind
    words: str
    required: bool = False
    pattern: str | None = None
    longest: int = 200  # bytes of a text
    choices: tuple[str, ...] = ()
    least: int = 0  # of a whole number
    most: int = 2**53 - 1
    items: int = 1000  # of a list, at most

    def schema(self) -> dict[str, Any]:
        """As JSON Schema (2020-12)."""
        if self.kind == "whole":
            return {"type": "integer", "minimum": self.least, "maximum": self.most, "description": self.words}
        if self.kind == "flag":
            return {"type": "boolean", "description": self.words}
        text: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": self.longest}
        if self.pattern:
            text["pattern"] = f"^(?:{self.pattern})$"
        if self.choices:
            text = {"type": "string", "enum": list(self.choices)}
        if self.kind == "text":
            return text | {"description": self.words}
        return {"type": "array", "items": text, "maxItems": self.items, "description": self.words}

    def read(self, value: Any) -> Any:
        """The value, as the field says it must be. Raises Problem 400."""
        if self.kind == "whole":
            number = whole(value)
            if number is None or not self.least <= number <= self.most:
                raise self._wrong(f"a whole number from {self.least} to {self.most}")
            return number
        if self.kind == "text":
            return self._text(value)
        if self.kind == "flag":
            if not isinstance(value, bool):
                raise self._wrong("true or false")
            return value
        if not isinstance(value, list) or len(value) > self.items:
            raise self._wrong(f"a list of at most {self.items} texts")
        return tuple(self._text(item) for item in value)

    def _text(self, value: Any) -> str:
        if not isinstance(value, str) or not value or not is_sound(value, self.longest):
            raise self._wrong(f"a text of 1 to {self.longest} bytes without control characters")
        if self.choices and value not in self.choices:
            raise self._wrong(f"one of {', '.join(self.choices)}")
        if self.pattern and not re.fullmatch(self.pattern, value):
            raise self._wrong("written as the document says")
        return value

    def _wrong(self, words: str) -> Problem:
        return Problem(400, f"{self.name} must be {words}.")


def read_body(body: Mapping[str, Any], fields: Iterable[Field]) -> dict[str, Any]:
    """What the fields say, of a JSON object. Raises Problem 400, also for what none of them names."""
    known = {field.name: field for field in fields}
    for name in body:
        if name not in known:
            raise Problem(400, f"There is no field of that name here: allowed are {', '.join(known) or 'none'}.")
    missing = [field.name for field in known.values() if field.required and field.name not in body]
    if missing:
        raise Problem(400, f"{missing[0]} is missing.")
    return {name: known[name].read(value) for name, value in body.items()}


def read_query(pairs: Iterable[tuple[str, str]], fields: Iterable[Field]) -> dict[str, Any]:
    """The same for the parameters of a query, where numbers are texts."""
    known = {field.name: field for field in fields}
    found: dict[str, Any] = {}
    for name, text in pairs:
        if name not in known or name in found:
            raise Problem(400, f"The query may have each of these once: {', '.join(known) or 'none'}.")
        value: Any = text
        if known[name].kind == "whole":
            value = int(text) if text.isascii() and text.isdecimal() and len(text) <= 16 else None
        found[name] = known[name].read(value)
    return found


def schema_of(fields: Iterable[Field]) -> dict[str, Any]:
    """A JSON object with these members and no others."""
    fields = tuple(fields)
    return {
        "type": "object",
        "properties": {field.name: field.schema() for field in fields},
        "required": [field.name for field in fields if field.required],
        "additionalProperties": False,
    }
