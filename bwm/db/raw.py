"""SQL by hand, for what runs too often or on too many rows for models. ``?`` stands for a value on every database."""

from collections.abc import Iterable, Sequence
from typing import Any

from bwm.db.schema import proxy


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
