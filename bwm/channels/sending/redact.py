"""What a channel must not tell, taken out of a message before it leaves."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from bwm.channels.channel import Message

HIDDEN = "[hidden]"

TXID = re.compile(r"\b[0-9a-fA-F]{64}\b")
AMOUNT = re.compile(r"\u20bf\s?\d[\d.,_]{0,40}|\d[\d\s.,_]{0,40}(?:sats?\b|m?BTC\b|\u20bf)", re.IGNORECASE)
ADDRESS = re.compile(
    r"\b(?:bc1|tb1|bcrt1)[02-9ac-hj-np-z]{6,87}\b"  # bech32 and bech32m, BIP 173 and 350
    r"|\b[123mn][1-9A-HJ-NP-Za-km-z]{25,34}\b",  # Base58Check
    re.IGNORECASE,
)


def redacted(message: Message, redact: Collection[str]) -> Message:
    """The message without what ``redact`` names, in its fields and its text. KeyError for an unknown name."""
    for what in redact:
        message = HIDE[what](message)
    return message


def _hide(pattern: re.Pattern[str], message: Message) -> Message:
    return replace(message, title=pattern.sub(HIDDEN, message.title), body=pattern.sub(HIDDEN, message.body))


def _hide_names(message: Message) -> Message:
    for name in filter(None, (message.vault, message.guardian)):
        message = _hide(re.compile(rf"(?<!\w){re.escape(name)}(?!\w)"), message)
    return replace(message, vault=None, guardian=None)


HIDE: Mapping[str, Callable[[Message], Message]] = {
    "sats": lambda message: _hide(AMOUNT, message),
    "vault": _hide_names,
    "txid": lambda message: replace(_hide(TXID, message), txid=None),
    "address": lambda message: _hide(ADDRESS, message),
}
