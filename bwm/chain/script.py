"""What kind of scriptPubKey an output pays to, by its shape alone."""

from enum import StrEnum

_OP_RETURN = 0x6A
_MAX_SCRIPT_SIZE = 10_000
_P2A = bytes.fromhex("51024e73")  # pay to anchor: OP_1 and the program 4e73


class ScriptType(StrEnum):
    """The standard shapes; the names are those of the field, not those that the node prints."""

    P2PK = "p2pk"
    P2PKH = "p2pkh"
    P2SH = "p2sh"
    P2WPKH = "p2wpkh"
    P2WSH = "p2wsh"
    P2TR = "p2tr"
    P2A = "p2a"
    WITNESS_UNKNOWN = "witness_unknown"
    OP_RETURN = "op_return"
    NONSTANDARD = "nonstandard"


def witness_program(script: bytes) -> tuple[int, bytes] | None:
    """Version and program of a segwit output (BIP 141): OP_0 to OP_16, then one push of 2 to 40 bytes."""
    if not 4 <= len(script) <= 42 or script[1] != len(script) - 2:
        return None
    if script[0] == 0:
        return 0, script[2:]
    if 0x51 <= script[0] <= 0x60:
        return script[0] - 0x50, script[2:]
    return None


def script_type(script: bytes) -> ScriptType:
    """The type of a scriptPubKey. Bare multisig and everything odd is nonstandard."""
    program = witness_program(script)
    if program is not None:
        return _witness_type(script, *program)
    size = len(script)
    if size == 25 and script[:3] == b"\x76\xa9\x14" and script[23:] == b"\x88\xac":
        return ScriptType.P2PKH
    if size == 23 and script[:2] == b"\xa9\x14" and script[22] == 0x87:
        return ScriptType.P2SH
    if script[:1] == bytes([_OP_RETURN]):
        return ScriptType.OP_RETURN
    if size in (35, 67) and script[0] == size - 2 and script[-1] == 0xAC and _looks_like_public_key(script[1:-1]):
        return ScriptType.P2PK
    return ScriptType.NONSTANDARD


def is_unspendable(script: bytes) -> bool:
    """True if nothing can ever spend it: Bitcoin Core keeps no such coin (CScript::IsUnspendable)."""
    return script[:1] == bytes([_OP_RETURN]) or len(script) > _MAX_SCRIPT_SIZE


def _witness_type(script: bytes, version: int, program: bytes) -> ScriptType:
    match version, len(program):
        case 0, 20:
            return ScriptType.P2WPKH
        case 0, 32:
            return ScriptType.P2WSH
        case 0, _:
            return ScriptType.NONSTANDARD  # BIP 141: a spend of it always fails
        case 1, 32:
            return ScriptType.P2TR
    return ScriptType.P2A if script == _P2A else ScriptType.WITNESS_UNKNOWN


def _looks_like_public_key(key: bytes) -> bool:
    return key[0] in (2, 3) if len(key) == 33 else key[0] == 4
