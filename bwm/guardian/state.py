"""The lock state of a guardian, as a pure function of the set of its signals.

With L the highest nonce of any counted lock ever seen (in mempool or block, vanished since or not) and U the
highest nonce of any final unlock; nonce 0 enters neither:

    ================  ===================================
    state             holds when
    ================  ===================================
    locked (L)        L exists, and U does not or L >= U
    unlocked (U)      U exists, and L does not or U > L
    uninstantiated    neither exists
    ================  ===================================

So a lock counts at first sight and wins a tie; an unlock waits for its confirmations (and its delay) and is
shown as pending until then; nothing ever unlocks by vanishing. The order in which signals arrive does not matter.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, get_args

from bwm.guardian.grammar import Payload
from bwm.guardian.signal import Reading

LockState = Literal["unlocked", "uninstantiated", "locked"]
LOCK_STATES: tuple[LockState, ...] = get_args(LockState)
"""The states, from the one that forbids the least."""

Place = Literal["chain", "mempool", "gone"]

ASSUMED = "assumed"
"""In place of a txid: a lock that nobody has seen, because the history before the registration cannot be read."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One payload in one transaction of the guardian, and where that transaction stands now.

    A signal is known by (txid, payload). To read its transaction again may turn ``counted`` true, never
    false. ``final_at`` is set once, from ``next_marks``, and never cleared, even when the transaction vanishes.
    """

    txid: str
    payload: Payload
    counted: bool  # False: kept for the record, without effect on the state
    first_seen_at: int  # unix seconds
    height: int | None = None  # of the block that holds it; None: in no block
    confirmed_at: int | None = None  # unix seconds when that block was connected; starts an unlock's delay
    vanished: bool = False  # in no block and no longer in the mempool
    final_at: int | None = None  # unix seconds when the unlock became final

    def in_mempool(self) -> "Signal":
        """Seen in the mempool: for the first time, again, or after its block was disconnected."""
        return replace(self, height=None, confirmed_at=None, vanished=False)

    def in_block(self, height: int, at: int) -> "Signal":
        """Its block was connected; ``at`` in unix seconds."""
        return replace(self, height=height, confirmed_at=at, vanished=False)

    def gone(self) -> "Signal":
        """In no block and evicted, replaced or conflicted away."""
        return replace(self, height=None, confirmed_at=None, vanished=True)


@dataclass(frozen=True, slots=True)
class PendingUnlock:
    """An unlock that will take effect when it has ``needs`` confirmations (and its delay is over)."""

    nonce: int
    confirmations: int
    needs: int
    txid: str  # of the deepest transaction that says so

    def __str__(self) -> str:
        return f"unlock {self.nonce} pending {min(self.confirmations, self.needs)}/{self.needs}"


@dataclass(frozen=True, slots=True)
class GuardianState:
    """What holds now, and why.

    ``pending``: the unlocks that would take effect, the nearest first. ``since``: unix seconds when the deciding
    lock was first seen or the deciding unlock became final. ``place``: where the deciding signal stands; ``gone``
    does not weaken it. ``reason`` also says when a wallet that takes the drafts to the letter may show another
    state.
    """

    state: LockState
    nonce: int | None = None
    pending: tuple[PendingUnlock, ...] = ()
    since: int | None = None
    place: Place | None = None
    txid: str | None = None  # of the first transaction that said what decides
    reason: str = "no lock and no final unlock was ever seen"

    @property
    def pending_unlock(self) -> PendingUnlock | None:
        """The pending unlock that is nearest to taking effect."""
        return self.pending[0] if self.pending else None

    def __str__(self) -> str:
        return self.state if self.nonce is None else f"{self.state}({self.nonce})"


def observed(reading: Reading, first_seen_at: int) -> tuple[Signal, ...]:
    """The signals to store for a transaction of the guardian; none when the guardian did not sign it."""
    if reading.verdict != "authentic":
        return ()
    counting = (reading.lock, reading.unlock)
    return tuple(
        Signal(reading.txid, payload, payload.nonce == counting[0 if payload.lock else 1], first_seen_at)
        for payload in reading.payloads
    )


def state_of(
    signals: Iterable[Signal],
    tip_height: int,
    now: int,
    unlock_confirmations: int = 6,
    unlock_delay_s: int = 0,
) -> GuardianState:
    """The state that a set of signals makes.

    ``tip_height``: of the last block processed. ``now``: unix seconds. ``unlock_confirmations``: 0 honours an
    unlock at first sight, as the drafts do. ``unlock_delay_s``: seconds after its block was connected.
    """
    known = tuple(signal for signal in signals if signal.payload.nonce)
    rule = _Rule(tip_height, now, unlock_confirmations, unlock_delay_s)
    locks = [signal for signal in known if signal.counted and signal.payload.lock]
    unlocks = [signal for signal in known if signal.counted and not signal.payload.lock]
    final = [signal for signal in unlocks if rule.is_final(signal)]
    lock = max((signal.payload.nonce for signal in locks), default=0)
    unlock = max((signal.payload.nonce for signal in final), default=0)
    pending = rule.pending(signal for signal in unlocks if signal.payload.nonce > max(lock, unlock))
    if lock == unlock == 0:
        start = GuardianState("uninstantiated", pending=pending)
    elif lock >= unlock:
        deciding = [signal for signal in locks if signal.payload.nonce == lock]
        since = min(signal.first_seen_at for signal in deciding)
        start = _decided("locked", lock, since, deciding, pending)
    else:
        deciding = [signal for signal in final if signal.payload.nonce == unlock]
        since = min(now if signal.final_at is None else signal.final_at for signal in deciding)
        start = _decided("unlocked", unlock, since, deciding, pending)
    return replace(start, reason=_reason(start, known))


def next_marks(
    signals: Iterable[Signal],
    tip_height: int,
    now: int,
    unlock_confirmations: int = 6,
    unlock_delay_s: int = 0,
) -> tuple[Signal, ...]:
    """The unlocks that become final at this tip and time, with ``final_at`` set: store them."""
    rule = _Rule(tip_height, now, unlock_confirmations, unlock_delay_s)
    return tuple(
        replace(signal, final_at=now)
        for signal in signals
        if signal.counted and not signal.payload.lock and signal.final_at is None and rule.is_final(signal)
    )


@dataclass(frozen=True, slots=True)
class _Rule:
    """When an unlock is final."""

    tip_height: int
    now: int
    needs: int  # confirmations; 0 honours an unlock at first sight
    delay_s: int  # seconds since its block was connected

    def confirmations(self, signal: Signal) -> int:
        return 0 if signal.height is None else max(0, self.tip_height - signal.height + 1)

    def is_final(self, signal: Signal) -> bool:
        if signal.final_at is not None:
            return True
        if signal.vanished or self.confirmations(signal) < self.needs:
            return False
        if not self.delay_s:
            return True
        return signal.confirmed_at is not None and self.now - signal.confirmed_at >= self.delay_s

    def pending(self, unlocks: Iterable[Signal]) -> tuple[PendingUnlock, ...]:
        """One a nonce, with the depth of its deepest transaction; the deepest first, then the highest nonce."""
        best: dict[int, tuple[int, str]] = {}
        for signal in unlocks:
            if not signal.vanished:
                nonce = signal.payload.nonce
                place = (self.confirmations(signal), signal.txid)
                best[nonce] = max(best.get(nonce, place), place)
        all_pending = (PendingUnlock(nonce, depth, self.needs, txid) for nonce, (depth, txid) in best.items())
        return tuple(sorted(all_pending, key=lambda one: (one.confirmations, one.nonce), reverse=True))


def _decided(
    state: LockState, nonce: int, since: int, deciding: list[Signal], pending: tuple[PendingUnlock, ...]
) -> GuardianState:
    first = min(deciding, key=lambda signal: (signal.first_seen_at, signal.txid))
    if first.txid == ASSUMED:
        reason = "locked by choice of the operator, because its history could not be read"
        return GuardianState(state, nonce, pending, since, reason=reason)
    return GuardianState(state, nonce, pending, since, _place(deciding), first.txid, f"{first.payload} in {first.txid}")


def _place(signals: list[Signal]) -> Place:
    if any(signal.height is not None for signal in signals):
        return "chain"
    return "gone" if all(signal.vanished for signal in signals) else "mempool"


def _reason(decided: GuardianState, known: tuple[Signal, ...]) -> str:
    parts = [decided.reason]
    if decided.place == "gone":
        parts.append("that transaction has vanished, what it said still holds")
    parts += [str(pending) for pending in decided.pending]
    elsewhere = _unlocked_elsewhere(decided, known)
    if elsewhere is not None:
        parts.append(f"other wallets may show unlocked({elsewhere})")
    return "; ".join(parts)


def _unlocked_elsewhere(decided: GuardianState, known: tuple[Signal, ...]) -> int | None:
    """The nonce of an unlock that bwm has not honoured and a wallet that takes the drafts to the letter may."""
    least = (decided.nonce or 0) + (decided.state == "unlocked")
    return max((s.payload.nonce for s in known if not s.payload.lock and s.payload.nonce >= least), default=None)
