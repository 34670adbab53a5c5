"""What a person is told: an event's story in plain words, short enough for every channel. Pure.

First what happened and to which vault, then how much, then what can be done now. Nothing is said as a fact that
the node did not confirm.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bwm.clock import rfc3339
from bwm.event import Event


@dataclass(frozen=True, slots=True)
class Text:
    """A message: its title fits 200 characters, its body 1000."""

    title: str
    body: str


_TITLES = {
    "trigger.seen": "Coins of {owner} are being moved",
    "trigger.confirmed": "Coins of {owner} were moved: mined in block {height}",
    "trigger.final": "Coins of {owner} were moved: final",
    "trigger.reorged": "The move of the coins of {owner} left the chain again",
    "trigger.replaced": "The move of the coins of {owner} was replaced by another transaction",
    "trigger.evicted": "The move of the coins of {owner} left the mempool unmined",
    "trigger.conflicted": "The move of the coins of {owner} lost against another transaction",
    "trigger.coin_gone": "Coins of {owner} are gone, and bwm did not see how",
    "funds.received": "Coins are coming in for {owner}",
    "funds.confirmed": "Coins came in for {owner}: mined in block {height}",
    "funds.final": "Coins came in for {owner}: final",
    "funds.reorged": "A payment to {owner} left the chain again",
    "funds.replaced": "A payment to {owner} was replaced by another transaction",
    "funds.evicted": "A payment to {owner} left the mempool unmined",
    "funds.too_many": "More payments to {owner} than are told one by one",
    "funds.conflicted": "A payment to {owner} lost against another transaction",
    "guardian.locked": "LOCK: {owner} says stop spending",
    "guardian.unlock_pending": "{owner} asks to unlock: not yet in force",
    "guardian.unlocked": "{owner} is unlocked",
    "guardian.moved_without_signal": "A coin of {owner} moved without a signal",
}

_ADVICE = {
    "trigger": "If this was not you: start your recovery now, from a device that you trust.",
    "guardian.locked": "Stop spending from every wallet that this guardian protects until you know why.",
}


def tell(about: Event, latest: Event, opened_at: int, alert_id: str, redact: Collection[str] = ()) -> Text:
    """The message about an alert: what it is about, how things stand now, and since when it is known (unix seconds).

    ``redact`` names what the channel may not learn: sats, vault, txid.
    """
    lines = [_sentence(about, redact)]
    if latest.seq != about.seq:
        lines.append(f"Now: {_now(latest, redact)}")
    if about.sats is not None and "sats" not in redact:
        lines.append(f"Amount: {about.sats:,} sat")
    if about.txid and "txid" not in redact:
        lines.append(f"Transaction: {about.txid}")
    lines.append(f"First seen: {rfc3339(opened_at)}")
    if advice := _ADVICE.get(about.kind) or _ADVICE.get(about.kind.partition(".")[0]):
        lines.append(advice)
    lines.append(f"Alert {alert_id}. To stop the repeats: bwm ack {alert_id}")
    return Text(_headline(about, latest, redact)[:199], "\n".join(lines)[:999])


_SORTS = 12
"""So many sorts of alerts does a digest name."""


def tell_digest(sorts: Sequence[tuple[str, str | None, int]], redact: Collection[str] = ()) -> Text:
    """Many alerts in one message. ``sorts``: kind of event, name of vault or guardian, how many; the most first."""
    total = sum(count for _, _, count in sorts)
    lines = [
        f"{count:,} x {kind}{f' ({owner})' if owner and 'vault' not in redact else ''}"
        for kind, owner, count in sorts[:_SORTS]
    ]
    if len(sorts) > _SORTS:
        lines.append(f"and {sum(count for _, _, count in sorts[_SORTS:]):,} more")
    lines.append("Each of them: bwm alerts")
    return Text(f"{total:,} alerts together", "\n".join(lines)[:999])


def _headline(about: Event, latest: Event, redact: Collection[str]) -> str:
    """The latest step where it has a title of its own, else what the alert is about."""
    return title(latest if latest.kind in _TITLES else about, redact)


def title(event: Event, redact: Collection[str] = ()) -> str:
    """One line that says what happened to whom."""
    pattern = _TITLES.get(event.kind)
    if pattern is None:
        words = event.kind if "txid" in redact else event.reason.partition(";")[0]
        return f"{_with_capital(_owner(event, redact))}: {words}" if event.guardian else words
    height = str(event.block.height) if event.block else "?"
    return _with_capital(pattern.replace("{height}", height).replace("{owner}", _owner(event, redact)))


def _with_capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _owner(event: Event, redact: Collection[str]) -> str:
    noun, name = ("guardian", event.guardian) if event.guardian else ("vault", event.vault)
    return f"a {noun}" if "vault" in redact else f"{noun} {name}"


_STEPS = {
    "seen": "in the mempool, not yet mined",
    "received": "in the mempool, not yet mined",
    "confirmed": "mined in block {height}",
    "final": "mined in block {height}, deep enough to be called final",
    "reorged": "its block left the chain; it may be mined again",
    "evicted": "it left the mempool unmined; the coins are unspent, and it may come back",
}


def _now(event: Event, redact: Collection[str]) -> str:
    """How things stand after the latest step."""
    family, _, step = event.kind.partition(".")
    if family in ("trigger", "funds", "guardian") and step in _STEPS:
        height = str(event.block.height) if event.block else "?"
        return f"{_STEPS[step].replace('{height}', height)}."
    return _sentence(event, redact)


def _sentence(event: Event, redact: Collection[str]) -> str:
    """The event's reason, unless it may name what the channel may not learn."""
    if not (event.vault or event.guardian):
        return f"{event.reason}."
    if "txid" in redact:
        return f"{title(event, redact)}."
    return f"{_with_capital(_owner(event, redact))}: {event.reason}."
