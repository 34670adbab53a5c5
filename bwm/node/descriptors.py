"""Output descriptors (BIP 380), read by the node itself."""

import re
from typing import Any

from bwm.errors import NodeRefused, UsageError
from bwm.node.rpc import Rpc

_EXTENDED_PRIVATE_KEY = re.compile(r"\b[xt]prv[1-9A-HJ-NP-Za-km-z]{20}")


def checksum(rpc: Rpc, descriptor: str) -> str:
    """The checksum of a descriptor, whose own is checked if it has one. Raises UsageError."""
    found: str = _read(rpc, descriptor)["checksum"]
    return found


def derive(rpc: Rpc, descriptor: str, first: int, last: int) -> list[list[str]]:
    """See ``Bitcoind.derive``."""
    facts = _read(rpc, descriptor)
    if "#" not in descriptor:
        raise UsageError(
            "the descriptor has no checksum, so a mistyped character would go unnoticed: copy it again "
            f"with its #, or if you are sure of every character add #{facts['checksum']}"
        )
    span = ([first, last],) if facts["isrange"] else ()
    try:
        addresses = rpc.call("deriveaddresses", descriptor, *span)
    except NodeRefused as error:
        raise UsageError(f"the node derives no addresses from the descriptor: {error.words}") from None
    return addresses if addresses and isinstance(addresses[0], list) else [addresses]


def _read(rpc: Rpc, descriptor: str) -> dict[str, Any]:
    """What the node reads in a descriptor. Its text is not repeated in errors, lest it hold a key."""
    if _EXTENDED_PRIVATE_KEY.search(descriptor):
        raise UsageError("the descriptor holds a private key: give the one with public keys (xpub) instead")
    try:
        facts: dict[str, Any] = rpc.call("getdescriptorinfo", descriptor)
    except NodeRefused as error:
        raise UsageError(f"the node cannot read the descriptor: {error.words}") from None
    if facts.get("hasprivatekeys"):
        raise UsageError("the descriptor holds a private key: give the one with public keys instead")
    return facts
