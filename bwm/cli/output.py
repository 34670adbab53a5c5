"""Results go to standard output: tables for people, JSON for programs. All else goes to standard error."""

import json
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
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(*columns, box=box.SIMPLE_HEAD, show_edge=False)
    for row in rows:
        shown.add_row(*(Text("" if cell is None else printable(str(cell)), overflow="fold") for cell in row))
    if shown.row_count:
        Console(width=None if sys.stdout.isatty() else 1000).print(shown)
    else:
        note(if_empty)


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
