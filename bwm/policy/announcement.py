"""A spend that the owner said will come: whether a transaction keeps to it. All pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where an announcement stands."""

    OPEN = "open"
    MET = "met"  # used up
    EXPIRED = "expired"  # nothing came in time
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where an announced spend may pay, and how much of it."""

    address: str
    script: bytes
    most: int  # sat, over all outputs that pay there


@dataclass(frozen=True, slots=True)
class Announcement:
    """What the owner said. Times are unix seconds; both ends belong to the window."""

    id: int
    vault: str
    begins_at: int
    ends_at: int
    txid: str | None = None
    destinations: tuple[Destination, ...] = ()
    max_fee: int = 0  # sat
    state: State = State.OPEN
    met_by: str | None = None


@dataclass(frozen=True, slots=True)
class Spend:
    """A transaction, as far as an announcement asks."""

    txid: str
    outputs: tuple[tuple[bytes, int], ...]  # scriptPubKey and sat
    spent: int | None  # sat that it takes out of the vault's coins; None: not known
    inputs: frozenset[bytes] = frozenset()  # outpoints


def mismatch(one: Announcement, spend: Spend, own: Iterable[bytes] = ()) -> str | None:
    """Why a spend is not the announced one, in words; None: it keeps to every word of it.

    ``own``: the vault's own scripts, where change may go. What a transaction takes out of the vault is either paid
    to an announced destination, within its limit, or comes back, or is a fee within the announced one; so nobody can
    hide a theft behind a small payment to the right address. Where amounts are not known, nothing keeps to it.
    """
    if one.txid is not None:
        return None if one.txid == spend.txid else f"it is not transaction {one.txid}"
    if spend.spent is None:
        return "it is not known how much it takes out of the vault"
    back_to = frozenset(own)
    paid: dict[bytes, int] = {}
    for script, sats in spend.outputs:
        paid[script] = paid.get(script, 0) + sats
    limits: dict[bytes, int] = {}
    for place in one.destinations:
        limits[place.script] = limits.get(place.script, 0) + place.most
    names = {place.script: place.address for place in one.destinations}
    for script, sats in paid.items():
        if script not in limits and script not in back_to and sats > 0:
            return f"it pays {sats} sat to a destination that was not announced"
        if script in limits and sats > limits[script]:
            return f"it pays {sats} sat to {names[script]}, {sats - limits[script]} sat more than announced"
    if not any(script in limits for script in paid):
        return "it pays nothing to an announced destination"
    fee = spend.spent - sum(paid.values())
    if fee > one.max_fee:
        return f"{fee} sat of it would be fee, {fee - one.max_fee} sat more than announced"
    return None
