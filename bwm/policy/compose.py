"""Conditions made of conditions, with answers that may be unknown (Kleene's logic): all, some, none of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from bwm.policy.condition import Condition
from bwm.policy.view import Found, View
from bwm.policy.words import listed


@dataclass(frozen=True, slots=True)
class AtLeast:
    """So many of some conditions hold: all of them, any, or k of n."""

    least: int
    of: tuple[Condition, ...]

    def look(self, view: View) -> Found:
        """Unknown only while the unknown ones could turn the answer."""
        found = [part.look(view) for part in self.of]
        sure = sum(one.truth is True for one in found)
        possible = sum(one.truth is not False for one in found)
        truth = True if sure >= self.least else False if possible < self.least else None
        return Found(truth, _joined(found, truth), {key: value for one in found for key, value in one.facts.items()})

    @property
    def words(self) -> str:
        parts = [part.words for part in self.of]
        if self.least == len(parts):
            return listed(parts)
        number = "one" if self.least == 1 else str(self.least)
        return f"at least {number} of: {'; '.join(parts)}"


@dataclass(frozen=True, slots=True)
class Not:
    """A condition does not hold."""

    part: Condition

    def look(self, view: View) -> Found:
        found = self.part.look(view)
        return Found(None if found.truth is None else not found.truth, found.words, found.facts)

    @property
    def words(self) -> str:
        return f"not: {self.part.words}"


def _joined(found: Iterable[Found], truth: bool | None) -> str:
    """The words of those that made the answer what it is."""
    return ", ".join(one.words for one in found if one.truth is truth)
