"""Whether a lock transaction that was signed in advance would still lock today.

Only its nonce, its coin and its feerate are known: the transaction itself stays with whoever may lock.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from bwm.guardian.grammar import Payload
from bwm.guardian.psbt import DUST_SATS, signal_vsize

Verdict = Literal["ready", "weak", "void", "used"]
"""``weak``: it locks, yet may never be mined. ``void``: it would not. ``used``: what it says was said."""


@dataclass(frozen=True, slots=True)
class ArmedLock:
    """A lock transaction signed in advance. ``feerate`` in sat/kvB."""

    coin: bytes  # the outpoint key of the guardian's coin that it spends
    nonce: int
    feerate: int


@dataclass(frozen=True, slots=True)
class CoinNow:
    """The coin as chain and mempool have it now; there is no such value when it is spent."""

    sats: int
    is_confirmed: bool


@dataclass(frozen=True, slots=True)
class FeeFloor:
    """What the node asks of a transaction today, in sat/kvB."""

    relay: int  # below it the node does not even take it
    mining: int | None = None  # below it nothing is mined within a day; None: the node cannot tell


@dataclass(frozen=True, slots=True)
class Readiness:
    """How it stands with one armed lock, and why."""

    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True)
class JudgedLock:
    """An armed lock of a guardian, and how it stood at ``checked_at`` (unix seconds)."""

    id: int
    guardian: str
    address: str
    lock: ArmedLock
    readiness: Readiness
    checked_at: int


def readiness(lock: ArmedLock, coin: CoinNow | None, floor: FeeFloor, said: Collection[Payload]) -> Readiness:
    """``said``: every payload that the guardian has ever signed, as far as it was seen."""
    if Payload(True, lock.nonce) in said:
        return Readiness("used", f"the guardian has said lock {lock.nonce}, so this one would change nothing")
    if faults := list(_faults(lock, coin, floor, max((payload.nonce for payload in said), default=0))):
        return Readiness("void", "; ".join(faults))
    if doubts := list(_doubts(lock, coin, floor)):
        return Readiness("weak", "; ".join(doubts))
    return Readiness("ready", f"it would lock with nonce {lock.nonce}")


def _faults(lock: ArmedLock, coin: CoinNow | None, floor: FeeFloor, highest: int) -> list[str]:
    faults = []
    if lock.nonce <= highest:
        faults.append(f"its nonce {lock.nonce} is not above {highest}, the highest that was said: sign a new one")
    if coin is None:
        faults.append("its coin is spent")
    elif coin.sats < smallest_coin(lock.nonce, floor.relay):
        faults.append(f"its coin of {coin.sats} sat is too small for the fees of today")
    if lock.feerate < floor.relay:
        faults.append(f"it pays {_per_vb(lock.feerate)}, and the node takes nothing below {_per_vb(floor.relay)} today")
    return faults


def _doubts(lock: ArmedLock, coin: CoinNow | None, floor: FeeFloor) -> list[str]:
    doubts = []
    if coin is not None and not coin.is_confirmed:
        doubts.append("its coin is not confirmed yet")
    if floor.mining is not None and lock.feerate < floor.mining:
        asked = _per_vb(floor.mining)
        doubts.append(f"it pays {_per_vb(lock.feerate)}, and it takes {asked} to be mined within a day")
    return doubts


def smallest_coin(nonce: int, feerate: int) -> int:
    """Sat that a coin must hold to pay for a lock at a feerate in sat/kvB, and leave a change that is no dust."""
    return signal_vsize(Payload(True, nonce)) * feerate // 1000 + DUST_SATS


def _per_vb(feerate: int) -> str:
    return f"{feerate / 1000:g} sat/vB"
