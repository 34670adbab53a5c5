"""The duties to warn: what must be told when a guardian's state changed or a transaction spoke to it."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from bwm.guardian.grammar import Payload
from bwm.guardian.notice import Notice, notice
from bwm.guardian.signal import Reading
from bwm.guardian.state import GuardianState, Signal

VERIFY_WITHIN_S = 60

TOO_MANY = "guardian.too_many_payments"


def changes(
    before: GuardianState,
    after: GuardianState,
    readings: Sequence[Reading] = (),
    known: Iterable[Signal] = (),
    *,
    in_block: bool = False,
    balance_sats: int | None = None,
    announced: Collection[str] = (),
) -> tuple[Notice, ...]:
    """What to tell after one step: a mempool transaction, a block connected or disconnected, or a tick of time.

    ``readings``: the step's transactions that concern the guardian. ``known``: the signals stored before the
    step; a transaction among them has been told already and is passed over. ``in_block``: the step connected a
    block. ``balance_sats``: what the guardian holds after the step. ``announced``: txids of spends that the
    owner said would come.

    A notice about a transaction without a signal comes again when it is read again: (kind, txid) makes it one fact.
    """
    known = tuple(known)
    told = {signal.txid for signal in known}
    new = [reading for reading in readings if reading.txid not in told]
    return (
        *_state_changed(before, after, in_block and any(after.nonce == reading.lock for reading in new)),
        *_unlocks_vanished(before, after),
        *_weakened(before, after),
        *_spoken(new, after, {signal.payload for signal in known}, announced),
        *_emptied(new, balance_sats),
    )


def not_verified(reading: Reading, first_seen_at: int, now: int) -> tuple[Notice, ...]:
    """What to tell of an unresolved transaction that has waited a minute (both times in unix seconds)."""
    if reading.verdict != "unresolved" or now - first_seen_at < VERIFY_WITHIN_S:
        return ()
    return tuple(
        notice(
            "guardian.unverified_lock" if payload.lock else "guardian.unverified_unlock",
            f"possible {payload}, not verified: the coins that {reading.txid} spends cannot be found yet; "
            "the state is unchanged",
            reading.txid,
        )
        for payload in reading.payloads
    )


def too_many_payments(limit: int) -> Notice:
    """What to tell when strangers pay the guardian so often that not every payment is kept."""
    reason = (
        f"others paid the guardian more than {limit} times within an hour, perhaps with forged signals: further "
        "payments are watched and not journaled for a while. What the guardian signs is told as always"
    )
    return notice(TOO_MANY, reason, None)


def _state_changed(before: GuardianState, after: GuardianState, straight_to_block: bool) -> Iterator[Notice]:
    if (before.state, before.nonce) != (after.state, after.nonce):
        never = "; it was never in our mempool" if straight_to_block else ""
        if after.state == "locked":
            yield notice("guardian.locked", after.reason + never, after.txid)
        elif after.state == "unlocked":
            yield notice("guardian.unlocked", after.reason, after.txid)
    waiting = {pending.nonce for pending in before.pending}
    for pending in after.pending:
        if pending.nonce not in waiting:
            yield notice("guardian.unlock_pending", f"still {after}: {after.reason}", pending.txid)


def _unlocks_vanished(before: GuardianState, after: GuardianState) -> Iterator[Notice]:
    """A pending unlock that is pending no more, though nothing has reached its nonce."""
    waiting = {pending.nonce for pending in after.pending}
    for pending in before.pending:
        if pending.nonce not in waiting and pending.nonce > (after.nonce or 0):
            reason = f"unlock {pending.nonce} left mempool and chain; still {after}: {after.reason}"
            yield notice("guardian.unlock_vanished", reason, pending.txid)


def _weakened(before: GuardianState, after: GuardianState) -> Iterator[Notice]:
    """The signal that decides the state has lost its place in chain or mempool; it stays in force."""
    if (before.state, before.nonce) != (after.state, after.nonce):
        return
    gone = after.place == "gone" != before.place
    if after.state == "locked" and gone:
        advice = "broadcast it again, or another transaction that says the same"
        yield notice("guardian.lock_vanished", f"still {after}: {after.reason}; {advice}", after.txid)
    if after.state == "unlocked" and (gone or before.place == "chain" != after.place):
        reason = f"still {after}: {after.reason}; its transaction is no longer in the chain"
        yield notice("guardian.final_unlock_reorged", reason, after.txid)


def _spoken(
    readings: Sequence[Reading], after: GuardianState, said: set[Payload], announced: Collection[str]
) -> Iterator[Notice]:
    """What the transactions themselves call for, judged against all that was ``said`` before each of them."""
    for reading in readings:
        yield from (_expected(warning, reading.txid in announced) for warning in reading.warnings)
        if reading.verdict == "authentic":
            for payload in reading.payloads:
                if payload.nonce:
                    yield from _repeats(payload, reading.txid, after, said)
            said = said | set(reading.payloads)


def _expected(warning: Notice, announced: bool) -> Notice:
    """The owner may say beforehand that a coin will move without a signal, to sign more locks in advance."""
    if announced and warning.kind == "guardian.moved_without_signal":
        return replace(warning, severity="info", reason=f"announced by the owner: {warning.reason}")
    return warning


def _repeats(payload: Payload, txid: str, after: GuardianState, said: set[Payload]) -> Iterator[Notice]:
    if payload in said:
        yield notice("guardian.sibling", f"another transaction says {payload}, as one before it did", txid)
        return
    opposite = Payload(not payload.lock, payload.nonce)
    if opposite in said:
        reason = f"one nonce says both: {payload} after {opposite}; now {after}: {after.reason}"
        yield notice("guardian.conflict", f"{reason}; other wallets may show another state", txid)
    if after.nonce is not None and payload.nonce < after.nonce:
        yield _stale(payload, txid, after)


def _stale(payload: Payload, txid: str, after: GuardianState) -> Notice:
    reason = f"{payload} came after a higher nonce and changes nothing; the guardian is {after}"
    if not payload.lock:
        return notice("guardian.stale_nonce", reason, txid)
    if after.state == "unlocked":
        return notice("guardian.void_lock_attempt", f"somebody tried to lock and failed: {reason}", txid)
    return Notice("guardian.stale_nonce", "high", f"a lock signed in advance is out of date: {reason}", txid)


def _emptied(new: Sequence[Reading], balance_sats: int | None) -> Iterator[Notice]:
    spends = [reading.txid for reading in new if reading.coins]
    if spends and balance_sats == 0:
        reason = "the guardian has no coin left: it cannot lock or unlock until it is paid"
        yield notice("guardian.balance_zero", reason, spends[-1])
