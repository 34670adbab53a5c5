"""SQL by hand, for what runs too often or on too many rows for models. ``?`` stands for a value on every database."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from bwm.db.schema import proxy

_AT_ONCE = 500  # names in one query: below the limits of the databases on variables

_T = TypeVar("_T")


def parts(names: Iterable[_T]) -> Iterator[list[_T]]:
    """The names, as many at a time as one query takes: there may be as many as a mempool has."""
    rest = iter(names)
    while part := list(islice(rest, _AT_ONCE)):
        yield part


def rows(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    return list(run(sql, *values))


def run(sql: str, *values: Any) -> Any:
    """Run one statement; its cursor."""
    return proxy.execute_sql(_own(sql), values)


def run_many(sql: str, values: Iterable[Sequence[Any]]) -> None:
    """Run one statement for each of many rows of values. Call inside a transaction."""
    if listed := list(values):
        proxy.cursor().executemany(_own(sql), listed)


def _own(sql: str) -> str:
    placeholder: str = proxy.param
    return sql if placeholder == "?" else sql.replace("%", "%%").replace("?", placeholder)
