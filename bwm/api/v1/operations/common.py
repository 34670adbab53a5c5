"""What several things have in common."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from bwm.api.problems import Problem
from bwm.api.v1.operation import NAME, USUAL, Call, Reply, Surroundings, page
from bwm.api.v1.shape import Field
from bwm.db.tokens import Holder
from bwm.errors import NodeError, UsageError

AFTER_NAME = Field("after", "text", "Those behind this name: `next` of the page before.", pattern=NAME.pattern)
AFTER_NUMBER = Field("after", "whole", "Those behind this number: `next` of the page before.")
TXID = r"[0-9a-fA-F]{64}"


def nothing() -> Problem:
    """There is none, or none that this token may learn of."""
    return Problem(404, "There is nothing of that name here for this token.")


@contextmanager
def problems(status: int = 400) -> Iterator[None]:
    """What speaks against doing it is said with this status; that the node cannot be asked, with 503."""
    try:
        yield
    except UsageError as error:
        raise Problem(status, str(error)) from None
    except NodeError:
        raise Problem(503, "The node cannot be asked now. Try again later.", {"Retry-After": "30"}) from None


def one_by_name(
    described: Callable[[Surroundings, str], list[dict[str, Any]]],
) -> Callable[[Surroundings, Call], Reply]:
    """What shows the one thing of the name in the path. ``described``: that of this name, or none."""

    def show(around: Surroundings, call: Call) -> Reply:
        name = call.path["name"]
        found = described(around, name) if call.holder.sees(name) else []
        if not found:
            raise nothing()
        return Reply(found[0])

    return show


def check_seen(holder: Holder, name: str) -> None:
    """Raise Problem 403 for the name of something new that is none of the names that the token is for."""
    if not holder.sees(name):
        raise Problem(403, f"This token is for names like {', '.join(holder.owners)}.")


def page_by_name(call: Call, items: list[dict[str, Any]]) -> Reply:
    """A page of all that the token may see, by name."""
    after = call.query.get("after", "")
    behind = sorted((one for one in items if one["name"] > after), key=lambda one: str(one["name"]))
    return Reply(page(behind, call.query.get("limit", USUAL), lambda one: one["name"]))
