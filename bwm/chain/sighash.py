"""Which outputs the signatures of an input commit to: the sighash byte of each kind of input.

The input must be known to spend a coin of that scriptPubKey and to have been validated by the node; nothing that an
input shows proves whose it is. Sources: BIP 16, 141, 143, 341, 342.
"""

from collections.abc import Iterable

from bwm.chain.script import ScriptType, script_type
from bwm.chain.tx import Input

SIGHASH_ALL = 0x01
SIGHASH_SINGLE = 0x03
ANYONECANPAY = 0x80

MAX_DER_SIGNATURE = 73  # bytes, with the sighash byte (BIP 66)
ANNEX = 0x50
OP_PUSHDATA1 = 0x4C
OP_PUSHDATA2 = 0x4D


def commits(spend: Input, script: bytes, input_index: int, output_index: int) -> bool:
    """True when every signature of this input commits to that output.

    False also when a signature cannot be found: unknown is not committed.
    """
    found = sighashes(spend, script)
    return bool(found) and all(_covers(sighash, input_index == output_index) for sighash in found)


def sighashes(spend: Input, script: bytes) -> tuple[int, ...]:
    """The sighash byte of each signature in the input; empty when none can be told.

    The default of a 64-byte taproot signature is given as ``SIGHASH_ALL``, which commits to the same outputs.
    """
    match script_type(script):
        case ScriptType.P2PKH:
            return _signature_then_key(pushes(spend.script_sig))
        case ScriptType.P2SH:
            return _p2sh(spend)
        case ScriptType.P2WPKH:
            return _signature_then_key(spend.witness)
        case ScriptType.P2WSH:
            return _ecdsa(spend.witness[:-1])
        case ScriptType.P2TR:
            return _taproot(spend.witness)
    return ()


def flags_shown(spend: Input) -> tuple[int, ...]:
    """The sighash byte of everything that may be a signature, where the coin's script is not known yet."""
    pushed = pushes(spend.script_sig)
    ecdsa = _ecdsa((*spend.witness, *pushed))
    schnorr = tuple(e[64] for e in spend.witness if len(e) == 65 and e[0] != 4 and not ecdsa)
    return ecdsa + schnorr + tuple(SIGHASH_ALL for e in spend.witness if len(e) == 64 and not ecdsa)


def flag_words(sighash: int) -> str:
    """A sighash byte as people write it: ``ALL|ANYONECANPAY``."""
    base = {0x01: "ALL", 0x02: "NONE", 0x03: "SINGLE"}.get(sighash & ~ANYONECANPAY, f"0x{sighash & ~ANYONECANPAY:02x}")
    return f"{base}|ANYONECANPAY" if sighash & ANYONECANPAY else base


def _covers(sighash: int, same_index: bool) -> bool:
    base = sighash & ~ANYONECANPAY
    return base == SIGHASH_ALL or (base == SIGHASH_SINGLE and same_index)


def _p2sh(spend: Input) -> tuple[int, ...]:
    """P2SH multisig, or P2WPKH and P2WSH inside P2SH. The last push is the redeem script."""
    pushed = pushes(spend.script_sig)
    redeem_script = pushed[-1] if pushed else b""
    match script_type(redeem_script):
        case ScriptType.P2WPKH:
            return _signature_then_key(spend.witness)
        case ScriptType.P2WSH:
            return _ecdsa(spend.witness[:-1])
    return _ecdsa(pushed[:-1])


def _signature_then_key(elements: tuple[bytes, ...]) -> tuple[int, ...]:
    """A signature and a public key, in this order and nothing more."""
    return _ecdsa(elements[:1]) if len(elements) == 2 else ()


def _ecdsa(elements: Iterable[bytes]) -> tuple[int, ...]:
    """The last byte of everything that has the look of a DER signature."""
    return tuple(e[-1] for e in elements if e[:1] == b"\x30" and 9 <= len(e) <= MAX_DER_SIGNATURE)


def _taproot(witness: tuple[bytes, ...]) -> tuple[int, ...]:
    if len(witness) >= 2 and witness[-1][:1] == bytes((ANNEX,)):
        witness = witness[:-1]
    stack = witness if len(witness) == 1 else witness[:-2]  # a script path ends in script and control block
    return tuple(e[64] if len(e) == 65 else SIGHASH_ALL for e in stack if len(e) in (64, 65))


def pushes(script: bytes) -> tuple[bytes, ...]:
    """What a scriptSig pushes; empty when it does anything but push (``OP_0`` included)."""
    found = []
    at = 0
    while at < len(script):
        size, at = script[at], at + 1
        if size == OP_PUSHDATA1:
            size, at = int.from_bytes(script[at : at + 1], "little"), at + 1
        elif size == OP_PUSHDATA2:
            size, at = int.from_bytes(script[at : at + 2], "little"), at + 2
        elif size > OP_PUSHDATA2:
            return ()
        if at + size > len(script):
            return ()
        found.append(script[at : at + size])
        at += size
    return tuple(found)
