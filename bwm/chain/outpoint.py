"""Outpoints and txids as text that people read, and as the keys that we look up.

A key is a slice of a serialised transaction: a txid is 32 bytes little-endian, an outpoint those and the
output's index as four bytes little-endian. The text is what the node prints: the txid's bytes reversed, in
hexadecimal.
"""

import re

from bwm.errors import UsageError

_HEX_DIGITS = frozenset("0123456789abcdef")
_MAX_INDEX = 0xFFFFFFFF
_USUAL = re.compile("([0-9a-f]{64}):([0-9]{1,9})")


def parse_txid(text: str) -> str:
    """The txid in lower case.

    Raises UsageError with what is wrong unless the text is 64 hexadecimal digits.
    """
    txid = text.lower()
    if _is_hex(txid):
        return txid
    if any(character.isspace() for character in text):
        raise UsageError("a txid has no spaces or line breaks in it: remove them")
    if txid.startswith("0x"):
        raise UsageError("a bitcoin txid is written without 0x in front: remove it")
    if not _HEX_DIGITS.issuperset(txid):
        raise UsageError("a txid has only the digits 0-9 and a-f: copy it again")
    raise UsageError(f"a txid has 64 hexadecimal digits, this one has {len(txid)}: copy it again, whole")


def _is_hex(text: str) -> bool:
    """Whether these are 64 hexadecimal digits. ``fromhex`` passes over spaces, but then too few bytes come out."""
    try:
        return len(text) == 64 and len(bytes.fromhex(text)) == 32
    except ValueError:
        return False


def parse_outpoint(text: str) -> bytes:
    """The key of an outpoint written TXID:VOUT; upper case is taken too.

    Raises UsageError with what is wrong.
    """
    if usual := _USUAL.fullmatch(text):  # as nearly every one of a million is written
        return bytes.fromhex(usual[1])[::-1] + int(usual[2]).to_bytes(4, "little")
    txid, colon, index = text.partition(":")
    if not colon:
        raise UsageError("an outpoint is written TXID:VOUT, for example 4a5e…a33b:0: the colon is missing")
    if not (index.isascii() and index.isdigit() and len(index) <= 10 and int(index) <= _MAX_INDEX):
        raise UsageError(
            f"an outpoint is written TXID:VOUT, where VOUT is a number from 0 to {_MAX_INDEX}:"
            " correct what follows the colon"
        )
    return outpoint_key(parse_txid(txid), int(index))


def outpoint_key(txid: str, vout: int) -> bytes:
    """The 36 bytes that spend this coin, as an input carries them."""
    return txid_key(txid) + vout.to_bytes(4, "little")


def outpoint_text(key: bytes) -> str:
    """TXID:VOUT of an outpoint's key."""
    return f"{key[31::-1].hex()}:{int.from_bytes(key[32:], 'little')}"


def txid_key(txid: str) -> bytes:
    """The 32 bytes of a txid as an input carries them."""
    return bytes.fromhex(txid)[::-1]


def txid_text(key: bytes) -> str:
    """A txid as people read it; block hashes are written the same way."""
    return key[::-1].hex()
