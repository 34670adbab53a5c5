"""Queries of bwm's models turned into SQL once for each of their shapes, because to do it anew takes half of all time.

What cannot be told apart by its shape is turned into SQL each time; and of the rest every so manieth, to compare.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import peewee

_COMPARED = 3  # uses of a shape that are all compared
_EVERY = 200  # of the later ones


class _Unknown(Exception):
    """A part of a query that is not taken apart here."""


@dataclass(slots=True)
class _Statement:
    """The SQL of one shape, and what turns each value of the query into a parameter."""

    sql: str
    converters: tuple[Callable[[Any], Any] | None, ...]
    uses: int = 0


class _Recording(peewee.Context):
    """Notes each value on its way into the parameters."""

    __slots__ = ("converters", "raw")

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.raw: list[Any] = []
        self.converters: list[Callable[[Any], Any] | None] = []

    def value(self, value: Any, converter: Any = None, add_param: bool = True) -> Any:
        self.raw.append(value)
        self.converters.append(self.state.converter if converter is None else converter or None)
        return super().value(value, converter, add_param)


class Compiler:
    """SQL and parameters of a query."""

    def __init__(self) -> None:
        self._known: dict[object, _Statement | None] = {}

    def compile(self, query: Any, database: peewee.Database) -> tuple[str, list[Any]]:
        """As peewee itself would make them."""
        values: list[Any] = []
        try:
            shape = _shape_of(query, values)
        except _Unknown:
            return self._anew(database, query)
        if shape not in self._known:
            self._known[shape] = self._learned(database, query, values)
        statement = self._known[shape]
        if statement is None:
            return self._anew(database, query)
        statement.uses += 1
        made = (
            statement.sql,
            [to(value) if to else value for value, to in zip(values, statement.converters, strict=True)],
        )
        if statement.uses <= _COMPARED or statement.uses % _EVERY == 0:
            assert made == self._anew(database, query), f"two queries were taken for one: {statement.sql}"
        return made

    def _anew(self, database: peewee.Database, query: Any) -> tuple[str, list[Any]]:
        sql, values = database.get_sql_context().sql(query).query()
        return sql, values

    def _learned(self, database: peewee.Database, query: Any, values: list[Any]) -> _Statement | None:
        context = _Recording(**database.get_context_options())
        sql, parameters = context.sql(query).query()
        in_order = len(context.raw) == len(values) == len(parameters)
        if not in_order or any(one is not other for one, other in zip(context.raw, values, strict=True)):
            return None
        return _Statement(sql, tuple(context.converters))


def _shape_of(query: Any, values: list[Any]) -> object:
    """What the SQL of a query depends on; the ``values`` that it does not depend on, in the order of the SQL."""
    if isinstance(query, peewee.Select):
        rare = (query._distinct, query._windows, query._for_update, query._cte_list)
        if any(part is not None for part in rare) or query._lateral or query._alias:
            raise _Unknown
        return (
            peewee.Select,
            query._simple_distinct,
            _parts(query._returning, values),
            _parts(query._from_list, values),
            _part(query._where, values),
            _parts(query._group_by, values),
            _part(query._having, values),
            _parts(query._order_by, values),
            _part(query._limit, values),
            _part(query._offset, values),
        )
    if isinstance(query, peewee.Update) and not (query._from or query._returning or query._order_by):
        changes = sorted(query._update.items(), key=lambda change: change[0]._sort_key)
        return (
            peewee.Update,
            id(query.model),
            tuple((id(column), _part(value, values)) for column, value in changes),
            _part(query._where, values),
        )
    raise _Unknown


def _parts(parts: Iterable[Any] | None, values: list[Any]) -> tuple[object, ...]:
    return tuple(_part(part, values) for part in parts or ())


def _part(part: Any, values: list[Any]) -> object:
    """One node or value. What bwm's models are made of lives as long as the process, so its identity names it."""
    if part is None:
        return None
    kind = type(part)
    if isinstance(part, peewee.Field) or peewee.is_model(part):
        return id(part)
    if isinstance(part, peewee.Expression):
        return kind, part.op, part.flat, _part(part.lhs, values), _part(part.rhs, values)
    if kind is peewee.Ordering:
        return kind, part.direction, part.nulls, part.collation, _part(part.node, values)
    if kind is peewee.Join:
        return kind, part.join_type, _part(part.lhs, values), _part(part.rhs, values), _part(part._on, values)
    if kind is peewee.Alias:
        return kind, part._alias, _part(part.node, values)
    if kind is peewee.Function and not part._filter and not part._order_by:
        return kind, part.name, part._coerce, _parts(part.arguments, values)
    if kind is peewee.SQL and not part.params:
        return kind, part.sql
    if isinstance(part, peewee.Select):
        return _shape_of(part, values)
    if isinstance(part, peewee.Node | peewee.Model):
        raise _Unknown
    if isinstance(part, list | tuple | set | frozenset):
        if any(isinstance(each, peewee.Node | peewee.Model | list | tuple) for each in part):
            raise _Unknown
        values.extend(part)
        return "values", len(part)
    values.append(part)
    return "value"
