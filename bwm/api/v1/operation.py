"""One thing that a caller may ask for, and what it is handed to answer with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bwm.api.bodies import SMALL
from bwm.api.v1.shape import Field
from bwm.clock import Clock
from bwm.config import Config
from bwm.db.database import Database
from bwm.db.tokens import Holder
from bwm.node.bitcoind import Bitcoind


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The daemon, as far as an operation needs it."""

    config: Config
    database: Database
    clock: Clock
    node: Bitcoind
    is_up: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Call:
    """One request, checked."""

    holder: Holder
    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered when it went well. ``content`` None: no body."""

    content: Any
    status: int = 200


@dataclass(frozen=True, slots=True)
class Operation:
    """A method on a path. ``carry_out`` runs in a thread of its own, inside a database connection.

    ``statuses`` are what it may answer besides 400, 401, 403, 404, 413, 415, 429 and 503; with a body, 409 and 422.
    """

    name: str
    method: str
    path: str  # with {parameters}
    scope: str
    summary: str
    carry_out: Callable[[Surroundings, Call], Reply]
    answer: Mapping[str, Any]  # JSON Schema of what is answered
    query: tuple[Field, ...] = ()
    body: tuple[Field, ...] | None = None
    parameters: tuple[Field, ...] = ()
    success: int = 200
    statuses: tuple[int, ...] = ()
    is_slow: bool = False
    cost: Callable[[Mapping[str, Any]], int] = lambda body: 0
    """How many triggers a body asks for, or what weighs as much."""
    largest_body: int = SMALL  # bytes


_MOST = 200

LIMIT = Field("limit", "whole", "How many at most; 50 if nothing is said.", least=1, most=_MOST)
NAME = Field(
    "name", "text", "The name of a vault or guardian.", pattern=r"[A-Za-z0-9][A-Za-z0-9_.@ -]{0,63}", longest=64
)
USUAL = 50


def page(items: list[Any], limit: int, after: Callable[[Any], Any]) -> dict[str, Any]:
    """One page of a list that may go on: ``items`` holds one more than the limit when it does."""
    shown = items[:limit]
    return {"items": shown, "next": after(shown[-1]) if len(items) > limit else None}


def page_schema(item: Mapping[str, Any], after: str) -> dict[str, Any]:
    """Of such a page; ``next`` is the ``after`` of the following one, null on the last."""
    return {
        "type": "object",
        "properties": {"items": {"type": "array", "items": dict(item)}, "next": {"type": [after, "null"]}},
        "required": ["items", "next"],
        "additionalProperties": False,
    }


def listing(
    name: str,
    summary: str,
    carry_out: Callable[[Surroundings, Call], Reply],
    item: Mapping[str, Any],
    after: Field,
    *filters: Field,
) -> Operation:
    """The pages of all things of one sort; ``name`` is ``list-`` and the sort. ``after``: what ``next`` is given as."""
    path = f"/v1/{name.removeprefix('list-')}"
    answer = page_schema(item, "integer" if after.kind == "whole" else "string")
    return Operation(name, "GET", path, "read", summary, carry_out, answer, query=(LIMIT, after, *filters))
