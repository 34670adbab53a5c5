"""Locks of guardians that were signed in advance: how they stand; added. Their transactions are not kept."""

from collections.abc import Iterable
from typing import Any

from bwm.api.bodies import LARGE
from bwm.api.problems import Problem
from bwm.api.v1 import schemas
from bwm.api.v1.numbers import numbers_of
from bwm.api.v1.operation import NAME, Call, Operation, Reply, Surroundings, page_schema
from bwm.api.v1.operations.common import nothing, problems
from bwm.api.v1.shape import Field
from bwm.daemon.keep_response import Text, keep_locks, read_raw
from bwm.db import armed_locks, guardians
from bwm.errors import NodeRefused, UsageError
from bwm.guardian.readiness import JudgedLock

_OF_GUARDIAN = 100  # locks that it may have when more are added from here
_AT_ONCE = 20


def _known(call: Call) -> list[JudgedLock]:
    """The locks of the guardian that the path names. Raises Problem 404."""
    name = call.path["name"]
    if not call.holder.sees(name) or not guardians.is_taken(name):
        raise nothing()
    return armed_locks.judged(name)


def _described(around: Surroundings, call: Call, locks: Iterable[JudgedLock]) -> dict[str, Any]:
    """They are counted for everybody together, so they are named like events are numbered: for each token otherwise."""
    numbers, locks = numbers_of(around, call.holder, "locks"), list(locks)
    items = [
        facts | {"name": armed_locks.name_of(numbers.shown(lock.id))}
        for facts, lock in zip(armed_locks.described(locks), locks, strict=True)
    ]
    return {"items": items, "next": None}


def _list(around: Surroundings, call: Call) -> Reply:
    return Reply(_described(around, call, _known(call)))


def _add(around: Surroundings, call: Call) -> Reply:
    texts = [Text(f"transaction {number}", text) for number, text in enumerate(call.body["transactions"], 1)]
    known = {lock.id for lock in _known(call)}
    if len(known) + len(texts) > _OF_GUARDIAN:
        raise Problem(409, f"A guardian has at most {_OF_GUARDIAN} locks; nothing was added.")
    with problems():
        _keep(around, call.path["name"], texts)
    added = [lock for lock in _known(call) if lock.id not in known]
    return Reply(_described(around, call, added), 201)


def _keep(around: Surroundings, guardian: str, texts: list[Text]) -> None:
    if not texts:
        raise UsageError("transactions must hold at least one.")
    try:
        keep_locks(around.database, around.node, guardian, [read_raw(one) for one in texts], around.clock.now())
    except armed_locks.KnownAlready:  # its words have a number that is counted for everybody
        raise Problem(409, "One of these locks is known already; nothing was added.") from None
    except NodeRefused:
        raise UsageError("The node cannot read one of the transactions; nothing was added.") from None


_PATH = "/v1/guardians/{name}/locks"
_LOCKS = page_schema(schemas.LOCK, "string")

OPERATIONS = (
    Operation(
        "list-locks",
        "GET",
        _PATH,
        "read",
        "A guardian's locks that were signed in advance, and whether each would lock today.",
        _list,
        _LOCKS,
        parameters=(NAME,),
    ),
    Operation(
        "add-locks",
        "POST",
        _PATH,
        "respond",
        "Watch over locks signed in advance. Their transactions are looked at once and not kept.",
        _add,
        _LOCKS,
        body=(
            Field(
                "transactions",
                "texts",
                "Signed, in hexadecimal.",
                required=True,
                pattern="(?:[0-9a-fA-F]{2}){10,}",
                longest=800_000,
                items=_AT_ONCE,
            ),
        ),
        parameters=(NAME,),
        success=201,
        is_slow=True,
        cost=lambda body: 100 * len(body.get("transactions", ())),
        largest_body=LARGE,
    ),
)
