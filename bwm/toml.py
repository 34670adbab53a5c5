"""A TOML file read key by key: what was never asked for is unknown, and every error names file and line."""

import difflib
import os
import re
import stat
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bwm.errors import ConfigError
from bwm.secret import Secret

_T = TypeVar("_T")
_Place = tuple[str | int, ...]  # keys and indexes on the way from the top to a value

_NAMES = {str: "a text in quotes", int: "a whole number", list: "a list of texts", dict: "a table"}
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_LARGEST = 1_000_000  # bytes of a configuration
_DEEPEST = 5  # lists in lists that anybody writes
_OTHERS = 0o077  # every right of the group and of everybody


def parse_duration(text: str) -> int:
    """Seconds of ``15s``, ``5m``, ``1h30m`` or ``2d``. Raises ValueError for anything else."""
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        raise ValueError(f"{text!r} is no duration: write it like 15s, 5m, 1h30m or 2d")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


@dataclass(frozen=True, slots=True)
class TomlFile:
    """A file's place and text. Without a file both say so: ``path`` None and no text."""

    path: Path | None
    text: str = ""

    @property
    def folder(self) -> Path:
        """What relative paths in the file start from."""
        return self.path.parent if self.path else Path.cwd()

    def error(self, place: _Place, words: str) -> ConfigError:
        """The error that says in which line of which file."""
        return ConfigError(f"{self.path} line {_line(self.text, place)}: {words}")

    def refuse_if_open(self, place: _Place) -> None:
        """Raise ConfigError when others can read the file, which holds a secret at ``place``."""
        if self.path and is_open(self.path):
            key = place[-1]
            raise self.error(
                place,
                f"{key} is a secret, and others can read this file. Run: chmod 600 {self.path} "
                f"(or move the secret to a file of its own, and name that file with {key}_file)",
            )


def read_toml(path: Path) -> "Table":
    """The file's top table. Raises ConfigError when it cannot be read or is no TOML."""
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
        if len(raw) > _LARGEST:
            raise ConfigError(f"{path} is larger than {_LARGEST:,} bytes: that is no configuration of bwm")
        text = raw.decode().replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"{path} cannot be read: {reason}") from None
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is no valid TOML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path} has brackets within brackets, deeper than can be read") from None
    return Table(TomlFile(path.absolute(), text), (), content)


class Table:
    """One table of the file. Ask for every key it may have, then ``finish``.

    Each question raises ConfigError, with file and line, for a value of the wrong kind. It gives the default,
    or None, for a key that is not there.
    """

    def __init__(self, file: TomlFile, place: _Place, content: Mapping[str, Any]) -> None:
        self.file = file
        self._place = place
        self._content = content
        self._allowed: list[str] = []

    def error(self, words: str, key: str | None = None) -> ConfigError:
        """An error about one key, or about the table."""
        return self.file.error(self._place if key is None else (*self._place, key), words)

    def text(self, key: str) -> str | None:
        """A text that is not empty."""
        value = self._value(key, str)
        if value == "":
            raise self.error(f"{key} is empty: give it a value or remove the line", key)
        return value

    def required_text(self, key: str) -> str:
        """A text that must be there."""
        value = self.text(key)
        if value is None:
            near = difflib.get_close_matches(key, self._content, n=1)
            raise self.error(f"{key} is missing here" + (f": is it what {near[0]} should be?" if near else ""))
        return value

    def choice(self, key: str, allowed: Collection[str], default: str) -> str:
        """One of some words."""
        value = self.text(key)
        if value is not None and value not in allowed:
            raise self.error(f"{key} is {value!r}: use one of {', '.join(allowed)}", key)
        return default if value is None else value

    def whole(self, key: str, default: int, least: int, most: int) -> int:
        """A whole number within limits."""
        value = self._value(key, int)
        if value is not None and not least <= value <= most:
            raise self.error(f"{key} is {value}: give a whole number from {least} to {most}", key)
        return default if value is None else value

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        self._allowed.append(key)
        value = self._content.get(key, default)
        if not isinstance(value, bool):
            raise self.error(f"{key} must be true or false", key)
        return value

    def duration(self, key: str, default: int, least: int, most: int) -> int:
        """Seconds, written like ``15s`` or ``5m``, within limits."""
        text = self.text(key)
        if text is None:
            return default
        try:
            seconds = parse_duration(text)
        except ValueError as error:
            raise self.error(f"{key}: {error}", key) from None
        if not least <= seconds <= most:
            raise self.error(f"{key} is {text}: give a duration from {least} to {most} seconds", key)
        return seconds

    def one_or_more(self, key: str) -> tuple[str, ...]:
        """A text, or a list of texts; empty when it is not there."""
        if isinstance(self._content.get(key), str):
            text = self.text(key)
            return (text,) if text else ()
        words = self.words(key)
        if not words and key in self._content:
            raise self.error(f"{key} is empty: give it a value or remove the line", key)
        return words

    def table_or_tables(self, key: str) -> tuple["Table", ...]:
        """One table, or a list of tables."""
        return (self.table(key),) if isinstance(self._content.get(key), dict) else self.tables(key)

    def anything(self, key: str) -> Any:
        """The value as it stands, of whatever kind."""
        self._allowed.append(key)
        return self._content.get(key)

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        return key in self._content

    @property
    def content(self) -> Mapping[str, Any]:
        """All that stands in the table."""
        return self._content

    def words(self, key: str, allowed: Collection[str] | None = None) -> tuple[str, ...]:
        """A list of texts, all of them allowed ones if ``allowed`` is given."""
        values: Sequence[Any] = self._value(key, list) or ()
        for value in values:
            if not isinstance(value, str) or not value:
                raise self.error(f'{key} must be {_NAMES[list]}, like ["one", "two"]', key)
            if allowed is not None and value not in allowed:
                raise self.error(f"{key} has {value!r}: use any of {', '.join(allowed)}", key)
        return tuple(values)

    def path(self, key: str) -> Path | None:
        """A path; a relative one starts from the file's own folder."""
        text = self.text(key)
        return None if text is None else self.file.folder / Path(text).expanduser()

    def secret(self, key: str, is_secret: Callable[[str], bool] = lambda text: True) -> Secret | None:
        """A secret that stands here under its key, or in the file that ``key_file`` names.

        Either must be readable by its owner only, but for texts that are found not to be secret. A relative
        path is looked for among systemd's credentials first, then from the file's own folder.
        """
        here, elsewhere = self.text(key), self.text(f"{key}_file")
        if here is not None and elsewhere is not None:
            raise self.error(f"{key} and {key}_file are both given: remove one", key)
        if here is not None:
            if is_secret(here):
                self.file.refuse_if_open((*self._place, key))
            return Secret(here)
        return None if elsewhere is None else self._secret_in_file(f"{key}_file", elsewhere)

    def table(self, key: str) -> "Table":
        """A table below this one; an empty one when it is not there."""
        return Table(self.file, (*self._place, key), self._value(key, dict) or {})

    def tables(self, key: str) -> tuple["Table", ...]:
        """The tables of a ``[[key]]`` list."""
        self._allowed.append(key)
        values = self._content.get(key, [])
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            raise self.error(f"{key} must be written as [[{key}]]", key)
        return tuple(Table(self.file, (*self._place, key, index), value) for index, value in enumerate(values))

    def only(self, *keys: str) -> None:
        """Raise ConfigError for any other key, before anything is asked."""
        self._allowed += keys
        self.finish()

    def finish(self) -> None:
        """Raise ConfigError for the first key that nobody asked for."""
        for key in self._content:
            if key not in self._allowed:
                near = difflib.get_close_matches(key, self._allowed, n=1)
                hint = f"Did you mean {near[0]}? " if near else ""
                raise self.error(
                    f"unknown key {key!r}. {hint}Allowed here: {', '.join(dict.fromkeys(self._allowed))}", key
                )

    def _value(self, key: str, kind: type[_T]) -> _T | None:
        self._allowed.append(key)
        value = self._content.get(key)
        if value is None:
            return None
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.error(f"{key} must be {_NAMES[kind]}", key)
        return value

    def _secret_in_file(self, key: str, name: str) -> Secret:
        path, guarded = _find_secret(Path(name).expanduser(), self.file.folder)
        try:
            if not guarded and is_open(path):
                raise self.error(f"{path} holds a secret, and others can read it. Run: chmod 600 {path}", key)
            text = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise self.error(f"{key} names {path}, which cannot be read: {reason}", key) from None
        if not text:
            raise self.error(f"{key} names {path}, which is empty", key)
        return Secret(text)


def _find_secret(path: Path, folder: Path) -> tuple[Path, bool]:
    """Where a secret's file lies, and whether systemd guards it.

    systemd lets the service's user in by an access list, which shows as a right of the group in the mode.
    """
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials:
        guarded = Path(credentials) / path  # an absolute path stays what it is
        if guarded.is_relative_to(credentials) and guarded.exists():
            return guarded, True
    return folder / path, False


def is_open(path: Path) -> bool:
    """Whether others than the owner have any right on the file."""
    return bool(stat.S_IMODE(path.stat().st_mode) & _OTHERS)


def _line(text: str, place: _Place) -> int:
    """The line, from 1, on which the value at ``place`` begins.

    The parser tells no lines of values. But any beginning of the file that ends between two statements is
    valid TOML itself, so the statement is the one that makes the value appear.
    """
    lines = text.split("\n")
    begins = 1
    for end in range(1, len(lines) + 1):
        try:
            content = tomllib.loads("\n".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue  # in the middle of a statement
        if _has(content, place):
            return min(_line_inside(lines, begins, end, place), len(lines))
        begins = end + 1
    return min(begins, len(lines))


def _line_inside(lines: list[str], begins: int, ends: int, place: _Place) -> int:
    """The line of a value in a statement of many lines: where closing the lists that are open makes it appear."""
    is_list = False
    for end in range(begins, ends):
        for depth in range(1, _DEEPEST):
            try:
                content = tomllib.loads("\n".join([*lines[:end], "]" * depth]))
            except tomllib.TOMLDecodeError:
                continue
            if _has(content, place):
                return end
            is_list = True
    return ends if is_list else begins


def _has(content: Any, place: _Place) -> bool:
    for step in place:
        try:
            content = content[step]
        except (KeyError, IndexError):
            return False
    return True
