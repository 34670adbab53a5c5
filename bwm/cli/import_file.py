"""Many vaults from one file, JSON or CSV. Pure: text in, wishes out; every error names the line.

JSON: a list of objects (or objects one after another), each with ``name`` and any of the lists ``txids``,
``outpoints``, ``addresses`` and ``descriptors``; also ``birthday`` (a height, or a date as text), ``severity``,
``final_depth`` and the list ``tags``. What ``bwm list-vaults --json`` prints is taken too.

CSV: a head line with ``name`` and any of ``txid``, ``outpoint``, ``address``, ``descriptor``, ``birthday``,
``severity``, ``final_depth`` and ``tags``. Several texts in one cell are divided by spaces; a cell with a comma in
it is put in double quotes.

Rows or objects of the same name are one vault; of what a vault has only one of, the last counts.
"""

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bwm.chain.address import script_of_address
from bwm.chain.network import Network
from bwm.chain.outpoint import parse_outpoint, parse_txid
from bwm.daemon.registration import Wish, check_name
from bwm.errors import UsageError
from bwm.severity import Severity

_COLUMNS = {
    "name": "name",
    "txid": "txids",
    "outpoint": "outpoints",
    "address": "addresses",
    "descriptor": "descriptors",
    "birthday": "birthday",
    "severity": "severity",
    "final_depth": "final_depth",
    "tags": "tags",
}
"""The columns of CSV and the keys of JSON that mean the same."""

_KEYS = frozenset(_COLUMNS.values())
_LISTS = frozenset(("txids", "outpoints", "addresses", "descriptors", "tags"))
_OFTEN = _LISTS | {"name"}
_TRIGGERS = {"txid": "txids", "outpoint": "outpoints", "script": "addresses", "descriptor": "descriptors"}
_PRINTED = ("triggers", "covered_from")  # what list-vaults --json has besides
_BETWEEN = re.compile(r"[\s,]*")

_Fields = Mapping[str, Any]


def read_vaults(text: str, network: Network, usual: Wish) -> tuple[Wish, ...]:
    """The vaults of a file; ``usual`` holds what those get that say nothing of their own.

    Raises UsageError, naming the line, for what cannot be understood. Descriptors are left to the node.
    """
    text = text.removeprefix("\ufeff")
    rows = _objects(text) if text.lstrip()[:1] in ("[", "{") else _csv_rows(text)
    drafts: dict[str, _Draft] = {}
    for line, fields in rows:
        try:
            draft = drafts.get(name) if isinstance(name := fields.get("name"), str) else None
            if draft is None:
                name = _name(fields)
                draft = drafts[name] = _Draft(name, usual, network)
            draft.add(_as_written(fields))
        except UsageError as error:
            raise UsageError(f"Line {line}: {error} Nothing was added.") from None
    if not drafts:
        raise UsageError("The file holds no vault; nothing was added.")
    return tuple(draft.wish() for draft in drafts.values())


def _objects(text: str) -> Iterator[tuple[int, _Fields]]:
    """The objects of a JSON list, or of a file of objects, each with the line on which it begins."""
    decoder = json.JSONDecoder()
    at, end, line, counted = 0, len(text.rstrip()), 1, 0
    if text.lstrip().startswith("["):
        if not text.rstrip().endswith("]"):
            line += text.count("\n", 0, end)
            raise UsageError(
                f"Line {line}: a list that begins with [ ends with ]: is the file whole? Nothing was added."
            )
        at, end = text.index("[") + 1, end - 1
    while (at := _after_gap(text, at)) < end:
        line, counted = line + text.count("\n", counted, at), at
        try:
            fields, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:  # also a number too long, lists too deep
            place = getattr(error, "lineno", line)
            words = getattr(error, "msg", "too much of it")
            raise UsageError(f"Line {place}: no valid JSON: {words}. Nothing was added.") from None
        if not isinstance(fields, dict):
            raise UsageError(f"Line {line}: each vault must be an object in {{}}. Nothing was added.")
        yield line, fields


def _after_gap(text: str, at: int) -> int:
    gap = _BETWEEN.match(text, at)
    return gap.end() if gap else at


def _csv_rows(text: str) -> Iterator[tuple[int, _Fields]]:
    """The rows below the head line, with the keys that JSON has."""
    reader = csv.reader(_lines(text), strict=True)
    try:
        head = [cell.strip().lower() for cell in next(reader, [])]
        if unknown := [cell for cell in head if cell not in _COLUMNS]:
            raise UsageError(f"Line 1: unknown column {unknown[0]!r}; use {', '.join(_COLUMNS)}. Nothing was added.")
        keys = [_COLUMNS[column] for column in head]
        for row in reader:
            if len(row) > len(head):
                raise UsageError(f"Line {reader.line_num}: more cells than the head line. Nothing was added.")
            yield reader.line_num, _fields_of(keys, row)
    except csv.Error as error:
        raise UsageError(f"Line {reader.line_num}: no valid CSV: {error}. Nothing was added.") from None


def _lines(text: str) -> Iterator[str]:
    """One by one: a file with a million of them is large enough as it is."""
    begin = 0
    while begin < len(text):
        end = text.find("\n", begin) + 1 or len(text)
        yield text[begin:end]
        begin = end


def _fields_of(keys: Sequence[str], row: Sequence[str]) -> _Fields:
    cells = zip(keys, row, strict=False)
    return {key: text.split() if key in _LISTS else text for key, cell in cells if (text := cell.strip())}


def _name(fields: _Fields) -> str:
    name = fields.get("name")
    if not isinstance(name, str):
        raise UsageError("a vault needs a name.")
    check_name(name)
    return name


def _as_written(fields: _Fields) -> _Fields:
    """What list-vaults prints, as a person would have written it: each trigger in the list of its kind."""
    if fields.keys().isdisjoint(_PRINTED) and None not in fields.values():
        return fields
    own = {key: value for key, value in fields.items() if key not in _PRINTED and value is not None}
    triggers = fields.get("triggers", [])
    if not isinstance(triggers, list):
        raise UsageError("triggers must be a list.")
    for trigger in triggers:
        kind = str(trigger.get("kind")) if isinstance(trigger, dict) else ""
        if kind not in _TRIGGERS:
            raise UsageError(f"each of triggers needs a key and a kind, one of {', '.join(_TRIGGERS)}.")
        own[_TRIGGERS[kind]] = [*_texts(own, _TRIGGERS[kind]), trigger.get("key")]
    return own


class _Draft:
    """A vault that grows row by row."""

    def __init__(self, name: str, usual: Wish, network: Network) -> None:
        self._wish = replace(usual, name=name)
        self._lists: dict[str, list[str]] = {key: list(getattr(usual, key)) for key in _LISTS}
        self._checks: dict[str, Callable[[str], object]] = {
            "txids": parse_txid,
            "outpoints": parse_outpoint,
            "addresses": lambda text: script_of_address(text, network),
        }

    def add(self, fields: _Fields) -> None:
        """Take in what one row says. Raises UsageError for what cannot be understood."""
        for key in fields:
            if key in _LISTS:
                self._lists[key] += _texts(fields, key, self._checks.get(key, str))
            elif key not in _KEYS:
                raise UsageError(f"unknown key {key!r}; use {', '.join(_COLUMNS.values())}.")
        if fields.keys() <= _OFTEN:
            return
        single: dict[str, Any] = {}
        if "birthday" in fields:
            single["birthday"] = str(fields["birthday"])
        if "severity" in fields:
            single["severity"] = _severity(fields["severity"])
        if "final_depth" in fields:
            single["final_depth"] = _depth(fields["final_depth"])
        if single:
            self._wish = replace(self._wish, **single)

    def wish(self) -> Wish:
        """All rows together."""
        tags = tuple(dict.fromkeys(self._lists["tags"]))
        txids, outpoints, addresses, descriptors = (tuple(self._lists[key]) for key in _TRIGGERS.values())
        return replace(
            self._wish, txids=txids, outpoints=outpoints, addresses=addresses, descriptors=descriptors, tags=tags
        )


def _texts(fields: _Fields, key: str, check: Callable[[str], object] = str) -> tuple[str, ...]:
    texts = fields.get(key, ())
    if not isinstance(texts, list | tuple):
        raise UsageError(f"{key} must be a list of texts.")
    for text in texts:
        if not isinstance(text, str):
            raise UsageError(f"{key} must be a list of texts.")
        try:
            check(text)
        except UsageError as error:
            raise UsageError(f"{text!r}: {str(error).removesuffix('.')}.") from None
    return tuple(texts)


def _severity(text: object) -> Severity:
    try:
        return Severity(str(text))
    except ValueError:
        raise UsageError(f"severity is {text!r}; use one of {', '.join(Severity)}.") from None


def _depth(text: object) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,4}", str(text)):
        raise UsageError(f"final_depth is {text!r}; give a number of blocks, at least 1.")
    return int(str(text))
