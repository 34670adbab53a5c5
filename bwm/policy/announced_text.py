"""An announcement as one line of text, which an owner can read and sign, and bwm reads back. Pure."""

import re
import shlex
from dataclasses import dataclass

from bwm.chain.address import script_of_address
from bwm.chain.network import Network
from bwm.errors import UsageError
from bwm.policy.announcement import Announcement, Destination

_HEAD = "bwm-announcement-1"
_TXID = re.compile(r"[0-9a-f]{64}")
_NONCE = re.compile(r"[0-9a-f]{32}")
MOST_SATS = 21_000_000 * 100_000_000

LONGEST_S = 30 * 86_400
"""Seconds for which an announcement may hold."""


@dataclass(frozen=True, slots=True)
class Said:
    """What stands in the text."""

    announcement: Announcement
    nonce: str  # 32 hexadecimal digits that no other announcement has


def destination_of(text: str, network: Network) -> Destination:
    """``ADDRESS:SATS``. Raises UsageError."""
    address, colon, sats = text.rpartition(":")
    if not colon or not sats.isdigit() or not 0 < int(sats) <= MOST_SATS:
        raise UsageError("A destination is written ADDRESS:SATS, like bc1q...:250000, with the most that may go there.")
    return Destination(address, script_of_address(address, network), int(sats))


def text_of(said: Said, network: str) -> str:
    """The line. Every word of what was announced stands in it."""
    one = said.announcement
    words = [_HEAD, f"network={network}", f"vault={one.vault}"]
    words += [f"txid={one.txid}"] if one.txid else []
    words += [f"to={place.address}:{place.most}" for place in one.destinations]
    words += [f"max-fee={one.max_fee}", f"from={one.begins_at}", f"until={one.ends_at}", f"nonce={said.nonce}"]
    return shlex.join(words)


def read_text(text: str, network: Network) -> Said:
    """What a line says. Raises UsageError for what bwm did not write like this."""
    try:
        head, *pairs = shlex.split(text.strip())
        fields = [pair.split("=", 1) for pair in pairs]
        of = {name: value for name, value in fields if name != "to"}
        places = tuple(destination_of(value, network) for name, value in fields if name == "to")
        one = Announcement(
            id=0,
            vault=of["vault"],
            begins_at=int(of["from"]),
            ends_at=int(of["until"]),
            txid=of.get("txid"),
            destinations=places,
            max_fee=int(of["max-fee"]),
        )
        said = Said(one, of["nonce"])
    except (ValueError, KeyError):
        raise UsageError("This is no announcement: have bwm write one, with --print-message.") from None
    if head != _HEAD or of["network"] != network.name or text_of(said, network.name) != text.strip():
        raise UsageError("This announcement was changed, or is of another network: have bwm write a new one.")
    refuse_odd(said)
    return said


def refuse_odd(said: Said) -> None:
    """Raise UsageError for an announcement that nothing could keep to, or anything could."""
    one = said.announcement
    if bool(one.txid) == bool(one.destinations):
        raise UsageError("Give either --txid or --to, so that bwm knows the spend when it comes.")
    if one.txid is not None and not _TXID.fullmatch(one.txid):
        raise UsageError("A txid has 64 hexadecimal digits in lower case.")
    has_time = 0 <= one.begins_at < one.ends_at <= one.begins_at + LONGEST_S
    if not has_time or not _NONCE.fullmatch(said.nonce) or not 0 <= one.max_fee <= MOST_SATS:
        raise UsageError(
            "This announcement has no time in which it holds, or more than 30 days: have bwm write a new one."
        )
