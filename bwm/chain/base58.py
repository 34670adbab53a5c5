"""Base58Check, the encoding of addresses from before segwit: a version byte, a payload and a checksum."""

from bwm.chain.hashing import sha256d
from bwm.errors import BadAddress

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_CHECKSUM_SIZE = 4  # bytes
_MAX_SIZE = 120  # characters: longer than anything that is written so, and short enough to decode at once


def encode_check(payload: bytes) -> str:
    """Base58Check of the payload, which begins with its version byte."""
    data = payload + sha256d(payload)[:_CHECKSUM_SIZE]
    number = int.from_bytes(data, "big")
    digits = ""
    while number:
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    zeros = len(data) - len(data.lstrip(b"\0"))
    return _ALPHABET[0] * zeros + digits


def decode_check(text: str) -> bytes:
    """The payload, version byte first. Raises BadAddress with what is wrong."""
    if not text or len(text) > _MAX_SIZE or not set(text).issubset(_ALPHABET):
        raise BadAddress("this is not an address: no kind of address is written with these characters")
    number = 0
    for character in text:
        number = number * len(_ALPHABET) + _ALPHABET.index(character)
    zeros = len(text) - len(text.lstrip(_ALPHABET[0]))
    data = bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")
    payload, checksum = data[:-_CHECKSUM_SIZE], data[-_CHECKSUM_SIZE:]
    if sha256d(payload)[:_CHECKSUM_SIZE] != checksum:
        raise BadAddress("the checksum of this address is wrong: a character is mistyped or missing")
    return payload
