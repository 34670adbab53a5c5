"""What a person should be told about a guardian: the kinds, and how urgent each one is."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["info", "warning", "high", "critical"]


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell: the event's kind, the sentence for the reader, the transaction it is about."""

    kind: str
    severity: Severity
    reason: str
    txid: str | None


SEVERITY: dict[str, Severity] = {
    # the state
    "guardian.locked": "critical",
    "guardian.lock_vanished": "high",
    "guardian.unlock_pending": "high",
    "guardian.unlock_vanished": "high",
    "guardian.unlocked": "high",
    "guardian.final_unlock_reorged": "critical",
    # one transaction that spends a coin of the guardian
    "guardian.moved_without_signal": "critical",  # the key is misused, or a pre-signed lock is void now
    "guardian.malformed": "high",  # a person may be trying to lock
    "guardian.out_of_range": "high",
    "guardian.conflict": "critical",
    "guardian.uncommitted": "critical",
    "guardian.nonce_zero": "warning",
    "guardian.high_nonce": "warning",
    "guardian.rotate": "critical",
    "guardian.sibling": "info",
    "guardian.stale_nonce": "warning",
    "guardian.void_lock_attempt": "high",
    "guardian.balance_zero": "high",
    # one transaction that does not, or nobody can say yet
    "guardian.forged": "info",
    "guardian.too_many_payments": "warning",
    "guardian.unverified_lock": "critical",
    "guardian.unverified_unlock": "high",
    # a lock that was signed in advance
    "guardian.armed_lock_void": "high",
    "guardian.armed_lock_weak": "warning",
    "guardian.armed_lock_ready": "info",
    "guardian.armed_lock_used": "info",
    # what the operator did
    "guardian.added": "info",
    "guardian.removed": "warning",
    "guardian.retired": "critical",
}
"""Every kind with its usual severity; a rule that departs from it says so where it does."""


def notice(kind: str, reason: str, txid: str | None) -> Notice:
    """A notice of the usual severity."""
    return Notice(kind, SEVERITY[kind], reason, txid)
