"""What stands between a decision and its deed: the person who may say no, or must say yes, and what has changed since.

The operator's hold is not among it: of a response it is told, and waited for, once it is taken; a hook it never holds.

A guard is looked at once more in the moment of the deed, with the facts of that moment. It is kept with its order, so
that a policy file changed meanwhile does not move it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

UNLESS: Mapping[str, str] = {
    "acknowledged": "a person acknowledged the alert",
    "checked_in": "somebody has checked in",
    "announced": "the spend was announced",
    "vanished": "the transaction is gone from mempool and chain",
    "blind": "this tower cannot see the chain",
    "locked": "a guardian of the vault is locked",
    "unlocked": "the guardian of the vault is unlocked",
}
"""What may call an order off, by its name in a policy, and as a reason in words."""


class Ruling(StrEnum):
    """What becomes of an order now."""

    GO = "go"
    WAIT = "wait"  # nobody has said yes or no
    DROP = "drop"  # it is not to be carried out at all


@dataclass(frozen=True, slots=True)
class Guard:
    """The conditions of one order. Times are unix seconds."""

    unless: tuple[str, ...] = ()  # of UNLESS
    approve_by: int | None = None  # a person must approve it until then; None: nobody need

    def as_json(self) -> str:
        """As it is kept with its order."""
        return json.dumps({"unless": self.unless, "approve_by": self.approve_by})

    @classmethod
    def from_json(cls, text: str | None) -> "Guard":
        """The guard of an order; one without conditions where the order has none."""
        kept: dict[str, Any] = json.loads(text) if text else {}
        return cls(tuple(kept.get("unless", ())), kept.get("approve_by"))


@dataclass(frozen=True, slots=True)
class GuardFacts:
    """How things stand in the moment of the deed."""

    now: int  # unix seconds
    true: frozenset[str] = frozenset()  # of UNLESS: what holds now
    approved_by: str | None = None
    vetoed_by: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What becomes of an order now, and why."""

    ruling: Ruling
    reason: str
    is_silence: bool = False  # nobody said no: nobody said anything


def holds(guard: Guard, facts: GuardFacts) -> Answer:
    """Whether an order that is due may be carried out. A person's no beats everything, also a yes given before."""
    if facts.vetoed_by is not None:
        return Answer(Ruling.DROP, f"{facts.vetoed_by} vetoed it")
    for word in guard.unless:
        if word in facts.true:
            return Answer(Ruling.DROP, UNLESS.get(word, word))
    if guard.approve_by is None or facts.approved_by is not None:
        return Answer(
            Ruling.GO, f"{facts.approved_by} approved it" if facts.approved_by else "nothing speaks against it"
        )
    if facts.now > guard.approve_by:
        return Answer(Ruling.DROP, "nobody approved it in time", is_silence=True)
    return Answer(Ruling.WAIT, "it waits for a person's approval")
