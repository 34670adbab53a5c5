"""Segwit addresses: Bech32 (BIP 173) for witness version 0, Bech32m (BIP 350) for versions 1 to 16."""

from collections.abc import Iterable

from bwm.errors import BadAddress

_CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_BECH32 = 1
_BECH32M = 0x2BC830A3
_CHECKSUM_SIZE = 6  # characters
_MAX_SIZE = 90  # characters


def encode_segwit(hrp: str, version: int, program: bytes) -> str:
    """The address of a witness program that is valid by BIP 141."""
    data = [version, *_regroup(program, 8, 5)]
    rest = _polymod([*_expand(hrp), *data, *bytes(_CHECKSUM_SIZE)]) ^ _checksum_kind(version)
    checksum = [rest >> 5 * (_CHECKSUM_SIZE - 1 - n) & 31 for n in range(_CHECKSUM_SIZE)]
    return f"{hrp}1{''.join(_CHARSET[value] for value in data + checksum)}"


def decode_segwit(address: str) -> tuple[str, int, bytes]:
    """Human-readable part, witness version and witness program of an address of any network.

    Raises BadAddress with what is wrong.
    """
    hrp, data, kind = _decode(address)
    if not data:
        raise BadAddress("this address holds nothing between its prefix and its checksum")
    version = data[0]
    if version > 16:
        raise BadAddress(f"this address has witness version {version}; there are only 0 to 16")
    if kind != _checksum_kind(version):
        raise BadAddress(
            "the checksum of this address is of the wrong kind: witness version 0 takes Bech32, later ones Bech32m"
        )
    program = _program(data[1:])
    if not 2 <= len(program) <= 40 or (version == 0 and len(program) not in (20, 32)):
        raise BadAddress(f"a witness program of version {version} cannot have {len(program)} bytes")
    return hrp, version, program


def _decode(text: str) -> tuple[str, list[int], int]:
    """Human-readable part, values without the checksum, and the constant that the checksum leaves."""
    if text not in (text.lower(), text.upper()):
        raise BadAddress("this address mixes upper and lower case: it is written all in one")
    if len(text) > _MAX_SIZE:
        raise BadAddress(f"an address has at most {_MAX_SIZE} characters, this one has {len(text)}")
    hrp, separator, tail = text.lower().rpartition("1")
    if not separator or not hrp or any(not 33 <= ord(character) <= 126 for character in hrp):
        raise BadAddress("this is not an address: it does not begin with a prefix and a 1")
    if not set(tail).issubset(_CHARSET):
        raise BadAddress("this address has a character that no segwit address has (such as b, i, o or a space)")
    if len(tail) < _CHECKSUM_SIZE:
        raise BadAddress("this address is cut off: its checksum is not complete")
    values = [_CHARSET.index(character) for character in tail]
    kind = _polymod([*_expand(hrp), *values])
    if kind not in (_BECH32, _BECH32M):
        raise BadAddress("the checksum of this address is wrong: a character is mistyped or missing")
    return hrp, values[:-_CHECKSUM_SIZE], kind


def _checksum_kind(version: int) -> int:
    return _BECH32 if version == 0 else _BECH32M


def _program(values: list[int]) -> bytes:
    """The bytes of these values of 5 bits. What is left over must be zeros, and fewer than five of them."""
    left_over = len(values) * 5 % 8
    if left_over > 4 or (left_over and values[-1] & ((1 << left_over) - 1)):
        raise BadAddress("this address does not end where its bytes end: it is not properly made")
    return bytes(_regroup(values, 5, 8))[: len(values) * 5 // 8]


def _regroup(values: Iterable[int], size: int, new_size: int) -> list[int]:
    """The same bits in groups of another size; the last group is filled with zeros."""
    bits = "".join(f"{value:0{size}b}" for value in values)
    return [int(bits[n : n + new_size].ljust(new_size, "0"), 2) for n in range(0, len(bits), new_size)]


def _expand(hrp: str) -> list[int]:
    """The human-readable part as the checksum takes it: all high bits, a zero, all low bits."""
    return [ord(character) >> 5 for character in hrp] + [0] + [ord(character) & 31 for character in hrp]


def _polymod(values: Iterable[int]) -> int:
    """The remainder of the BCH code that BIP 173 chose."""
    remainder = 1
    for value in values:
        top = remainder >> 25
        remainder = (remainder & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_GENERATOR):
            if top >> bit & 1:
                remainder ^= generator
    return remainder
