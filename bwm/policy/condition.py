"""When a policy applies: one small question each, asked of an event and its surroundings. All pure.

A question that cannot be answered says so (``truth`` None) instead of guessing; what that leads to, the policy's
``on_error`` says. Every condition can put itself into words, for who reads a policy and for the reason of a decision.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Protocol

from bwm.event import Event
from bwm.policy.view import Found, View
from bwm.policy.words import duration, listed, sats_words

_GONE = ("trigger.replaced", "trigger.evicted", "trigger.conflicted")


class Condition(Protocol):
    """A question that is answered by facts alone."""

    def look(self, view: View) -> Found:
        """The answer."""
        ...

    @property
    def words(self) -> str:
        """What it asks, as a part of a sentence."""
        ...


def like(text: str | None, patterns: Sequence[str]) -> bool:
    """Whether a text is one of these, where * stands for any letters and ? for one."""
    return text is not None and any(fnmatchcase(text, pattern) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the event is like one of some patterns."""

    name: str  # vault, guardian, trigger, key, txid
    patterns: tuple[str, ...]

    def look(self, view: View) -> Found:
        value = _FIELDS[self.name](view.event)
        return Found(like(value, self.patterns), f"its {self.name} is {value or 'none'}", {self.name: value})

    @property
    def words(self) -> str:
        return f"its {self.name} is {listed(self.patterns, 'or')}"


_FIELDS: dict[str, Callable[[Event], str | None]] = {
    "vault": lambda event: event.vault,
    "guardian": lambda event: event.guardian,
    "trigger": lambda event: event.trigger_kind,
    "key": lambda event: event.trigger_key,
    "txid": lambda event: event.txid,
}
FIELDS = tuple(_FIELDS)


@dataclass(frozen=True, slots=True)
class Tag:
    """The event's vault has a tag like one of some patterns."""

    patterns: tuple[str, ...]

    def look(self, view: View) -> Found:
        truth = any(like(tag, self.patterns) for tag in view.tags)
        return Found(truth, f"its vault is tagged {listed(view.tags) or 'nothing'}", {"tags": list(view.tags)})

    @property
    def words(self) -> str:
        return f"its vault is tagged {listed(self.patterns, 'or')}"


@dataclass(frozen=True, slots=True)
class Detail:
    """An entry of the event's detail is like one of some patterns; one that is missing is like none."""

    name: str
    patterns: tuple[str, ...]

    def look(self, view: View) -> Found:
        value = view.event.detail.get(self.name)
        text = None if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        return Found(like(text, self.patterns), f"its {self.name} is {text}", {f"detail.{self.name}": value})

    @property
    def words(self) -> str:
        return f"its {self.name} is {listed(self.patterns, 'or')}"


@dataclass(frozen=True, slots=True)
class Sats:
    """What moved lies within bounds, in sat: all that the transaction takes out of the vault, by whatever triggers.

    A transaction whose amounts are not known is neither in nor out.
    """

    least: int = 0
    most: int | None = None

    def look(self, view: View) -> Found:
        sats = view.event.sats
        if sats is None:
            return Found(None, "it is not known how much moved", {"sats": None})
        sats = max(sats, view.event.detail.get("vault_sats", 0))
        truth = sats >= self.least and (self.most is None or sats <= self.most)
        return Found(truth, f"{sats_words(sats)} moved", {"sats": sats})

    @property
    def words(self) -> str:
        bounds = [f"at least {sats_words(self.least)}"] if self.least else []
        bounds += [f"at most {sats_words(self.most)}"] if self.most is not None else []
        return f"{' and '.join(bounds)} moved"


@dataclass(frozen=True, slots=True)
class InFlight:
    """So much moved out of the vault within a window, together, in sat. What left the mempool again does not count."""

    least: int
    within_s: int
    vaults: tuple[str, ...] = ()  # patterns; empty: of the event's own vault

    def look(self, view: View) -> Found:
        wanted = self.vaults or ((view.event.vault,) if view.event.vault else ())
        latest: dict[tuple[Any, ...], Event] = {}
        for event in (*view.history, view.event):
            in_time = view.now - self.within_s <= event.at
            if in_time and event.kind.startswith("trigger.") and like(event.vault, wanted):
                latest[event.vault, event.trigger_kind, event.trigger_key, event.txid] = event
        amounts = [event.sats for event in latest.values() if event.kind not in _GONE]
        total = sum(sats for sats in amounts if sats is not None)
        unknown = None in amounts and total < self.least
        words = f"{sats_words(total)}{' or more' if None in amounts else ''} moved within {duration(self.within_s)}"
        return Found(None if unknown else total >= self.least, words, {"sats_in_flight": total})

    @property
    def words(self) -> str:
        whose = f"the vaults {listed(self.vaults)}" if self.vaults else "the vault"
        return f"at least {sats_words(self.least)} left {whose} within {duration(self.within_s)}"


@dataclass(frozen=True, slots=True)
class Count:
    """So many events within a window, this one among them."""

    kinds: tuple[str, ...]  # patterns
    least: int
    within_s: int
    everywhere: bool = False  # of all vaults and guardians, and not of the event's own alone

    def look(self, view: View) -> Found:
        mine = (view.event.vault, view.event.guardian)
        number = sum(
            view.now - self.within_s <= event.at
            and like(event.kind, self.kinds)
            and (self.everywhere or (event.vault, event.guardian) == mine)
            for event in (*view.history, view.event)
        )
        words = f"{number} of {listed(self.kinds)} within {duration(self.within_s)}"
        return Found(number >= self.least, words, {"count": number})

    @property
    def words(self) -> str:
        where = " anywhere" if self.everywhere else ""
        return f"there were at least {self.least} of {listed(self.kinds)}{where} within {duration(self.within_s)}"


@dataclass(frozen=True, slots=True)
class Vaults:
    """So many vaults had such an event within a window, this one's among them; announced spends do not count."""

    kinds: tuple[str, ...]  # patterns
    least: int
    within_s: int

    def look(self, view: View) -> Found:
        vaults = {
            event.vault
            for event in (*view.history, view.event)
            if event.vault
            and view.now - self.within_s <= event.at
            and like(event.kind, self.kinds)
            and "announced" not in event.detail
        }
        words = f"{len(vaults)} vaults had {listed(self.kinds)} within {duration(self.within_s)}"
        return Found(len(vaults) >= self.least, words, {"vaults": len(vaults)})

    @property
    def words(self) -> str:
        return f"at least {self.least} vaults had {listed(self.kinds)} within {duration(self.within_s)}"


@dataclass(frozen=True, slots=True)
class Depth:
    """So many blocks hold the transaction, counting its own; 0 in the mempool."""

    least: int

    def look(self, view: View) -> Found:
        block = view.event.block
        depth = max(1, view.tip_height - block.height + 1) if block else 0
        return Found(depth >= self.least, f"{depth} blocks deep", {"depth": depth})

    @property
    def words(self) -> str:
        return f"it is at least {self.least} blocks deep"


@dataclass(frozen=True, slots=True)
class PaysOnly:
    """Every sat goes to an allowed address, or back to the vault; or, with ``wanted`` False, some does not.

    A fee is paid besides, but for one that is more than what arrives: a thief can be a miner, or have one's ear.
    """

    scripts: frozenset[bytes]
    wanted: bool

    def look(self, view: View) -> Found:
        if view.tx is None:
            return Found(None, "it is not known where it pays")
        allowed, paid = self.scripts | view.tx.own, sum(sats for _, sats in view.tx.outputs)
        elsewhere = sum(sats for script, sats in view.tx.outputs if script not in allowed)
        fee = 0 if view.tx.spent is None else view.tx.spent - paid
        if fee > paid - elsewhere:
            elsewhere += fee
        words = f"{sats_words(elsewhere)} go elsewhere" if elsewhere else "it pays to allowed addresses only"
        return Found((not elsewhere) == self.wanted, words, {"sats_elsewhere": elsewhere})

    @property
    def words(self) -> str:
        verb = "pays only" if self.wanted else "does not pay only"
        return f"it {verb} to the {len(self.scripts)} allowed addresses"


@dataclass(frozen=True, slots=True)
class Announced:
    """The spend was announced, or was not."""

    wanted: bool

    def look(self, view: View) -> Found:
        announced = "announced" in view.event.detail
        return Found(
            announced == self.wanted, f"it was {'' if announced else 'not '}announced", {"announced": announced}
        )

    @property
    def words(self) -> str:
        return f"it was {'' if self.wanted else 'not '}announced"


@dataclass(frozen=True, slots=True)
class GuardianIs:
    """The guardian of the vault, or the one that the event is about, is in one of these lock states."""

    states: tuple[str, ...]

    def look(self, view: View) -> Found:
        detail = view.event.detail
        state = detail.get("guardian", detail.get("state"))
        return Found(state in self.states, f"its guardian is {state or 'none'}", {"guardian_state": state})

    @property
    def words(self) -> str:
        return f"its guardian is {listed(self.states, 'or')}"


@dataclass(frozen=True, slots=True)
class Blind:
    """This tower cannot see the chain right now, or can."""

    wanted: bool

    def look(self, view: View) -> Found:
        words = "this tower is blind" if view.blind else "this tower can see"
        return Found(view.blind == self.wanted, words, {"blind": view.blind})

    @property
    def words(self) -> str:
        return "this tower is blind" if self.wanted else "this tower can see"
