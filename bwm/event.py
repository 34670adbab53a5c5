"""A fact: what happened, to what, when, where in the chain, and the key that makes it one fact."""

from base64 import b32encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from bwm.chain.block import BlockRef
from bwm.clock import rfc3339
from bwm.watch.sighting import Sighting


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the journal. Written once, never changed; the same fact seen twice has the same key."""

    key: str
    kind: str  # family.what, e.g. trigger.seen
    at: int  # unix seconds, by our clock
    network: str
    reason: str
    vault: str | None = None
    guardian: str | None = None
    trigger_kind: str | None = None
    trigger_key: str | None = None
    txid: str | None = None
    block: BlockRef | None = None
    sats: int | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    seq: int | None = None  # its number in the journal, once it is there

    def as_json(self) -> dict[str, Any]:
        """The event as it is printed, sent to hooks and served: times RFC 3339 UTC, amounts in sat."""
        trigger = {"kind": self.trigger_kind, "key": self.trigger_key} if self.trigger_kind else None
        block = {"height": self.block.height, "hash": self.block.hash} if self.block else None
        return {
            "seq": self.seq,
            "key": self.key,
            "kind": self.kind,
            "at": rfc3339(self.at),
            "network": self.network,
            "vault": self.vault,
            "guardian": self.guardian,
            "trigger": trigger,
            "txid": self.txid,
            "block": block,
            "sats": self.sats,
            "detail": dict(self.detail),
            "reason": self.reason,
        }


def fact_key(*parts: object) -> str:
    """Equal for equal facts: 32 hex digits over the parts that make a fact what it is."""
    return sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:32]


def alert_id(key: str, length: int = 10) -> str:
    """The id of the alert that the event of this key opens, the same on every repeat: at most 26 letters and digits."""
    return b32encode(bytes.fromhex(key))[:length].decode().lower()


def of_sighting(sighting: Sighting, network: str, at: int) -> Event:
    """The event that says where a sighting stands now. Coins that come in are `received` when first seen."""
    trigger = sighting.trigger
    step = "received" if sighting.family == "funds" and sighting.status == "seen" else str(sighting.status)
    kind = f"{sighting.family}.{step}"
    owner = f"guardian {trigger.guardian}" if trigger.guardian else f"vault {trigger.vault}"
    identity = (network, owner, trigger.kind, trigger.key, sighting.txid, sighting.revision, kind)
    return Event(
        key=fact_key(*identity),
        kind=kind,
        at=at,
        network=network,
        reason=reason_of(sighting),
        vault=trigger.vault,
        guardian=trigger.guardian,
        trigger_kind=trigger.kind,
        trigger_key=trigger.key,
        txid=sighting.txid,
        block=sighting.block,
        sats=sighting.sats,
        detail=sighting.detail,
    )


_LATER = {
    "final": "deep enough to be called final",
    "reorged": "its block left the chain",
    "evicted": "left the mempool unmined; its coins are unspent",
}


def reason_of(sighting: Sighting) -> str:
    """Why the sighting stands where it does, in words."""
    if later := _LATER.get(sighting.status):
        return f"{sighting.reason}; {later}"
    if sighting.status in ("replaced", "conflicted"):
        where = "in the mempool" if sighting.status == "replaced" else "in a block"
        return f"{sighting.reason}; its coins are spent {where} by {sighting.detail.get('by', 'another')}"
    return sighting.reason
