"""Which scripts can be a guardian, and when one may be added or removed."""

from collections.abc import Iterable

from bwm.chain.script import ScriptType, script_type
from bwm.guardian.grammar import Payload
from bwm.guardian.signal import HIGHEST_USUAL_NONCE
from bwm.guardian.state import ASSUMED, GuardianState, Signal

SIGNED_TYPES = (ScriptType.P2PKH, ScriptType.P2SH, ScriptType.P2WPKH, ScriptType.P2WSH, ScriptType.P2TR)


def refusal_of_script(script: bytes) -> str | None:
    """Why this scriptPubKey cannot be a guardian, e.g. because no key stands behind it. None: it can."""
    kind = script_type(script)
    if kind in SIGNED_TYPES:
        return None
    if kind in (ScriptType.P2A, ScriptType.WITNESS_UNKNOWN):
        return "anyone can spend such an output, so anyone could lock and unlock: use a P2WPKH address"
    return "bwm cannot read the signatures of such an output: use a P2WPKH address"


def refusal_to_add(
    state: GuardianState, coins: int, *, accept_locked: bool = False, accept_high_nonce: bool = False
) -> str | None:
    """Why a guardian with this history and this many unspent coins is not taken on. None: it is.

    The caller also makes sure that the script is not one of the watched wallet's own.
    """
    if state.state == "uninstantiated" and not state.pending and not accept_locked:
        return "it has no valid unlock yet: broadcast its first unlock, customarily with nonce 1"
    if state.state == "locked" and not accept_locked:
        return f"it is {state}: unlock it first, or add it as locked with --accept-locked"
    highest = max((state.nonce or 0, *(pending.nonce for pending in state.pending)))
    if highest > HIGHEST_USUAL_NONCE and not accept_high_nonce:
        return (
            f"its nonce {highest} is above {HIGHEST_USUAL_NONCE}, a mistake or nearly the end of the numbers: use "
            "another guardian, or add it with --accept-high-nonce"
        )
    if coins == 0 and not accept_locked:
        return "it holds no coin, so it could not lock: pay it first"
    return None


def assumed_lock(known: Iterable[Signal], now: int) -> Signal:
    """What stands for a history that nobody can read: a lock as high as anything known, so that any unlock above
    it, once it is final, frees the guardian. ``now``: unix seconds."""
    highest = max((signal.payload.nonce for signal in known), default=0)
    return Signal(ASSUMED, Payload(True, max(1, highest)), counted=True, first_seen_at=now)


def refusal_to_remove(state: GuardianState) -> str | None:
    """Why a guardian cannot be removed or replaced now, not even with an unlock pending. None: it can."""
    if state.state != "locked":
        return None
    return f"it is {state}: a guardian is removed or replaced only when unlocked. {state.reason}"
