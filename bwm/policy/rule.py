"""A policy as its owner wrote it: on which events, under which conditions, which steps. One frozen value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bwm.order import Rung
from bwm.policy.condition import Condition
from bwm.severity import Severity


class OnError(StrEnum):
    """What a policy does when it cannot tell whether it applies."""

    ALERT = "alert"  # its alerts, or where it has none an alert to everybody
    ACT = "act"  # all of its steps
    HOLD = "hold"  # nothing


@dataclass(frozen=True, slots=True)
class AlertStep:
    """People are told."""

    people: tuple[str, ...] = ()  # empty: everybody
    severity: Severity | None = None  # None: as loud as bwm would be by itself
    repeat_every_s: int | None = None
    escalation: tuple[Rung, ...] = ()


@dataclass(frozen=True, slots=True)
class DeedStep:
    """An order for the outbox."""

    action: str  # respond, hook, webhook
    target: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    after_s: int = 0
    unless: tuple[str, ...] = ()
    approval_s: int | None = None  # a person must approve it within so many seconds; None: nobody need


@dataclass(frozen=True, slots=True)
class Plugin:
    """A program that is asked, as miradord asks its plug-ins."""

    program: str
    config: Any = None  # handed to it as it stands
    timeout_s: int = 10


@dataclass(frozen=True, slots=True)
class Limit:
    """How often a policy may act within a window. Its alerts have no limit."""

    times: int
    within_s: int


@dataclass(frozen=True, slots=True)
class Policy:
    """One ``[[policy]]`` of the configuration."""

    name: str
    version: str  # of what it says: twelve hexadecimal digits
    on: tuple[str, ...]  # patterns of kinds of events
    when: Condition | None  # None: always
    steps: tuple[AlertStep | DeedStep, ...]
    on_error: OnError = OnError.ALERT
    instead: bool = False  # its loudness stands in the place of the built-in one
    limit: Limit | None = None
    plugin: Plugin | None = None

    @property
    def alerts(self) -> tuple[AlertStep, ...]:
        """The steps that tell people."""
        return tuple(step for step in self.steps if isinstance(step, AlertStep))

    @property
    def deeds(self) -> tuple[tuple[int, DeedStep], ...]:
        """The other steps, each with its place among all."""
        return tuple((place, step) for place, step in enumerate(self.steps) if isinstance(step, DeedStep))
