"""A theft that did not happen: its transactions, and what they set off, marked so that it fools nobody. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bwm.chain.hashing import sha256d
from bwm.event import Event, fact_key
from bwm.plan import AlertChange, Changes
from bwm.severity import Severity
from bwm.watch.watch import Watch, What

SEEN = "drill.seen"
MISSED = "drill.missed"
FAILED = "drill.failed"

_SATS = 100_000  # of a coin whose amount is not known
_VOUT = bytes(4)


def theft(watch: Watch, salt: bytes) -> tuple[bytes, ...]:
    """Transactions, nowhere valid, of which the last takes coins from what is watched; none for a txid alone.

    ``salt``: 32 random bytes, so that each drill has transactions of its own. A script without coins is paid first.
    """
    thief = b"\x00\x20" + salt  # a P2WSH output (BIP 141) of a script that nobody knows
    if watch.what is What.COIN:
        return (_transaction(watch.key, thief, watch.sats or _SATS),)
    if watch.what is What.SCRIPT:
        payment = _transaction(salt + _VOUT, watch.key, _SATS)
        return payment, _transaction(sha256d(payment) + _VOUT, thief, _SATS)
    return ()


def _transaction(spends: bytes, script: bytes, sats: int) -> bytes:
    """One input without a signature, one output; without witness, so that its hash is its txid."""
    size = bytes([len(script)]) if len(script) < 0xFD else b"\xfd" + len(script).to_bytes(2, "little")
    inputs = b"\x01" + spends + b"\x00" + b"\xfd\xff\xff\xff"
    outputs = b"\x01" + sats.to_bytes(8, "little") + size + script
    return b"\x02\x00\x00\x00" + inputs + outputs + bytes(4)


@dataclass(frozen=True, slots=True)
class Exercise:
    """What the theft set off: to be written, and what would have been done besides."""

    changes: Changes
    would: tuple[Mapping[str, Any], ...]  # orders of the policies, which a drill does not carry out


def marked(changes: Changes, vault: str, number: str, at: int) -> Exercise | None:
    """Of all that the theft calls for, the alerts of its vault, marked; None when nobody would be told.

    Nothing is said to be sighted, watched or decided: only the alerts and what they are about leave the exercise.
    """
    real = [event for event in changes.events if event.vault == vault and event.kind.startswith("trigger.")]
    if not real:
        return None
    about = real[-1]
    would = tuple(
        {"action": wish.action, "target": wish.target, "delay_s": wish.delay_s, "policy": decision.policy}
        for decision in changes.decisions
        if decision.event is not None and decision.event.key == about.key
        for wish in decision.wishes
    )
    event = replace(
        about,
        key=fact_key(about.network, SEEN, number),
        kind=SEEN,
        at=at,
        reason=f"a drill, nothing has happened: {about.reason}",
        detail={**about.detail, "drill": number, "was": about.kind, "would": list(would)},
    )
    alerts = [change for change in changes.alerts if change.event.key == about.key]
    told = tuple(replace(change, case=f"drill/{number}/{n}", event=event) for n, change in enumerate(alerts))
    return Exercise(Changes(events=(event,), alerts=told), would) if told else None


def as_told(event: Event) -> Event:
    """The event of a drill as its message tells it: as what it plays."""
    return replace(event, kind=str(event.detail["was"])) if event.kind == SEEN else event


def missed(event: Event, number: str, waited_s: int, at: int) -> Changes:
    """Nobody acknowledged a drill in time: in earnest, nobody would have either."""
    reason = f"nobody acknowledged the drill of vault {event.vault} within {waited_s // 60} minutes"
    return _telling(MISSED, reason, event.network, f"missed/{number}", at, event.vault)


def failed(words: str, network: str, at: int) -> Changes:
    """A drill that was due could not be held."""
    return _telling(FAILED, f"a drill was due and could not be held: {words}", network, f"failed/{at}", at, None)


def _telling(kind: str, reason: str, network: str, case: str, at: int, vault: str | None) -> Changes:
    event = Event(
        key=fact_key(network, kind, case), kind=kind, at=at, network=network, reason=reason, vault=vault, detail={}
    )
    return Changes(events=(event,), alerts=(AlertChange(f"drill/{case}", event, Severity.HIGH),))
