"""What several things have in common."""

from typing import Any

from bwm.api.problems import Problem
from bwm.api.v1.operation import NAME, USUAL, Call, Reply, page
from bwm.api.v1.shape import Field
from bwm.db.tokens import Holder
from bwm.event import Event

AFTER_NAME = Field("after", "text", "Those behind this name: `next` of the page before.", pattern=NAME.pattern)
AFTER_NUMBER = Field("after", "whole", "Those behind this number: `next` of the page before.")
TXID = r"[0-9a-fA-F]{64}"


def nothing() -> Problem:
    """There is none, or none that this token may learn of."""
    return Problem(404, "There is nothing of that name here for this token.")


def sees(holder: Holder, event: Event) -> bool:
    """Whether the token may learn of an event."""
    return holder.sees(event.vault, event.guardian)


def page_by_name(call: Call, items: list[dict[str, Any]]) -> Reply:
    """A page of all that the token may see, by name."""
    after = call.query.get("after", "")
    behind = sorted((one for one in items if one["name"] > after), key=lambda one: str(one["name"]))
    return Reply(page(behind, call.query.get("limit", USUAL), lambda one: one["name"]))
