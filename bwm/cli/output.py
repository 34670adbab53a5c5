"""Results go to standard output: tables for people, JSON for programs. All else goes to standard error."""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

NO_CHANNEL = "There is no channel, so nobody will be told. Add one: bwm add-channel phone"

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def document(content: object) -> None:
    """One JSON document."""
    click.echo(json.dumps(content, ensure_ascii=False, indent=2))


def line(content: object) -> None:
    """One JSON object on one line, written at once: somebody may be waiting for it."""
    click.echo(json.dumps(content, ensure_ascii=False))


def note(words: str) -> None:
    """A remark for the person, on standard error."""
    click.echo(words, err=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], if_empty: str = "None.") -> None:
    """Rows below column heads. None shows as nothing; on a pipe nothing is folded.

    ``if_empty``: what a person is told where there is no row.
    """
    cells = [["" if cell is None else printable(str(cell)) for cell in row] for row in rows]
    if not cells:
        note(if_empty)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 1000)
    whole = _kept_whole([columns, *cells], console.width)
    heads = (Column(head, no_wrap=number in whole) for number, head in enumerate(columns))
    shown = Table(*heads, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for row in cells:
        folding = (cell if number in whole else _TIME.sub(r"\1 \2", cell) for number, cell in enumerate(row))
        shown.add_row(*(Text(cell, overflow="fold") for cell in folding))
    console.print(shown)


_BETWEEN = 2  # columns of the terminal between two of a table
_SLENDER = 9  # so wide is at least what is folded
_TIME = re.compile(r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\dZ)$")


def _kept_whole(rows: Sequence[Sequence[str]], width: int) -> set[int]:
    """Which columns of a table have room for each of their cells on one line: ids and times before sentences.

    Half an id or half a time is of no use to a person; a sentence is folded between words.
    """
    columns = [tuple(column) for column in zip(*rows, strict=True)]
    widest = [max(map(len, column)) for column in columns]
    left = width - _BETWEEN * (len(columns) - 1) - sum(min(each, _SLENDER) for each in widest)
    whole = set()
    foldable = [any(" " in cell for cell in column[1:]) for column in columns]
    for number in sorted(range(len(columns)), key=lambda number: (foldable[number], widest[number])):
        more = max(0, widest[number] - _SLENDER)
        if more <= left:
            left -= more
            whole.add(number)
    return whole


def facts(pairs: Iterable[tuple[str, Any]]) -> None:
    """Names and values, one pair a line, values in one column."""
    pairs = list(pairs)
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        click.echo(f"{name:<{width}}  {'-' if value in (None, '') else printable(str(value))}")


def printable(text: str) -> str:
    """The text without characters that a terminal would obey."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


@contextmanager
def progress(label: str) -> Iterator[Callable[[float], None]]:
    """A bar for work that takes minutes, fed with percentages; shown only to a person."""
    if not sys.stderr.isatty():
        yield lambda percent: None
        return
    with click.progressbar(length=100, label=label, file=sys.stderr) as bar:
        yield lambda percent: bar.update(int(percent) - bar.pos)
