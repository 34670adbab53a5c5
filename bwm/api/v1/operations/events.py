"""The journal."""

from typing import Any

from bwm.api.v1 import schemas
from bwm.api.v1.numbers import Numbers, numbers_of
from bwm.api.v1.operation import NAME, USUAL, Call, Reply, Surroundings, listing, page
from bwm.api.v1.operations.common import AFTER_NUMBER
from bwm.api.v1.shape import Field
from bwm.db import journal
from bwm.db.tokens import Holder
from bwm.event import Event

NUMBERED = "events"
"""What their numbers are called."""

_AT_ONCE = 5000  # events looked at for a page, of which a token may see few


def events_after(holder: Holder, after: int, limit: int, **wanted: Any) -> list[Event]:
    """Events that the token may see, with a higher number (the true one), at most so many."""
    if holder.sees_all:
        return journal.read(after_seq=after, limit=limit, **wanted)
    seen: list[int] = []
    while len(seen) < limit and (part := journal.owners(after, _AT_ONCE, **wanted)):
        seen += [seq for seq, vault, guardian in part if holder.sees(vault, guardian)]
        after = part[-1][0]
    return journal.of_seqs(seen[:limit])


def shown(event: Event, numbers: Numbers) -> dict[str, Any]:
    """An event as its reader may see it."""
    facts = event.as_json()
    return facts | {"seq": numbers.shown(facts["seq"])}


def _list(around: Surroundings, call: Call) -> Reply:
    limit, numbers = call.query.get("limit", USUAL), numbers_of(around, call.holder, NUMBERED)
    wanted = {"vault": call.query.get("vault"), "kind": call.query.get("kind")}
    after = numbers.true(call.query.get("after", 0), latest=journal.last_seq())
    found = events_after(call.holder, after, limit + 1, **wanted)
    return Reply(page([shown(event, numbers) for event in found], limit, lambda event: event["seq"]))


OPERATIONS = (
    listing(
        "list-events",
        "The journal, in order.",
        _list,
        schemas.EVENT,
        AFTER_NUMBER,
        Field("vault", "text", "Of this vault or guardian only.", pattern=NAME.pattern, longest=64),
        Field("kind", "text", "A kind of events, or a family.", pattern=r"[a-z_]{1,32}(?:\.[a-z_]{1,40})?"),
    ),
)
