"""The README as the tests read it."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from bwm.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_SHELL = ("|", "||", "&&", ";", ">", ">>", "<", "&")  # where one command ends


def section(heading: str, text: str = TEXT) -> str:
    """What stands below a heading, up to the next one of its level or a higher one."""
    found = re.search(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    assert found, f"the README has no heading {heading!r}"
    rest = text[found.end() :]
    after = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: after.start()] if after else rest


def blocks(language: str = "", text: str = TEXT) -> list[str]:
    """The fenced blocks of a language, with the indentation of their list taken away."""
    found = (match for match in _FENCE.finditer(text) if match[2] == language)
    return [re.sub(rf"^{match[1]}", "", match[3], flags=re.MULTILINE) for match in found]


def rows(text: str) -> list[list[str]]:
    """The cells of every row of every table."""
    return [[cell.strip() for cell in row.split("|")] for row in re.findall(r"^\s*\|(.+)\|$", text, re.MULTILINE)]


def prose(text: str = TEXT) -> str:
    """The text without its fenced blocks."""
    return _FENCE.sub("", text)


def examples(text: str) -> Iterator[list[str]]:
    """The arguments of every ``$ bwm ...`` in a text; what follows two spaces is a remark."""
    for line in re.findall(r"^\s*\$ (.*)$", text, re.MULTILINE):
        words = shlex.split(re.split(r"\s{2,}", line)[0])
        while words and words[0] in ("sudo", "-u", "bwm") and "bwm" in words[1:]:
            words = words[1:]
        if words and words[0] == "bwm":
            ends = [index for index, word in enumerate(words) if word in _SHELL]
            yield words[1 : ends[0] if ends else None]


def parse(arguments: list[str], *, is_whole: bool = True) -> None:
    """Have click read a command line. Raises click.UsageError; the files it names need not be there.

    ``is_whole``: False for a line that may leave arguments out.
    """
    given = _read(main, click.Context(main), arguments, is_whole=True)
    if not given:
        return
    command = main.get_command(click.Context(main), given[0])
    if command is None:
        raise click.UsageError(f"there is no command {given[0]!r}")
    left = _read(command, click.Context(command, info_name=given[0]), given[1:], is_whole=is_whole)
    if left:
        raise click.UsageError(f"{given[0]} takes no argument {left[0]!r}")


def _read(command: click.Command, context: click.Context, arguments: list[str], *, is_whole: bool) -> list[str]:
    """Read options and arguments; what is left over."""
    values, left, _ = command.make_parser(context).parse_args(list(arguments))
    for parameter in command.get_params(context):
        if parameter.is_eager:  # --help and --version
            continue
        value, _ = parameter.consume_value(context, values)
        try:
            if not isinstance(parameter.type, click.Path | click.File):
                parameter.process_value(context, value)
            elif parameter.required and parameter.value_is_missing(value):
                raise click.MissingParameter(ctx=context, param=parameter)
        except click.MissingParameter:
            if is_whole:
                raise
    return left
