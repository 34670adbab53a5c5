"""What a condition may look at: the event, and how things stood around it. All of it was read before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bwm.event import Event


@dataclass(frozen=True, slots=True)
class Spent:
    """A transaction, as far as a condition asks."""

    outputs: tuple[tuple[bytes, int], ...]  # scriptPubKey and sat
    own: frozenset[bytes] = frozenset()  # the vault's own scripts among them
    spent: int | None = None  # sat that it takes out of the vault's coins; None: not known


@dataclass(frozen=True, slots=True)
class View:
    """One event and its surroundings."""

    event: Event
    now: int  # unix seconds
    tip_height: int = 0
    tags: tuple[str, ...] = ()  # of the event's vault
    tx: Spent | None = None  # None: its bytes are not known
    blind: bool = False  # this tower cannot see the chain
    history: Sequence[Event] = ()  # what was journaled before it, the oldest first, as far back as any window reaches


@dataclass(frozen=True, slots=True)
class Found:
    """What a condition says. ``truth`` None: it cannot be told."""

    truth: bool | None
    words: str  # why, as a part of a sentence
    facts: Mapping[str, Any] = field(default_factory=dict)  # what was looked at
