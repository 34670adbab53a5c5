"""The bytes of a guardian signal: which output scripts say "lock N" or "unlock N", and why others do not.

Source: the draft "Guardian Address Signal Protocol" (bitcoin/bips pull request 1973)::

    payload = %s"guardv1.Lock=" ( %s"true" / %s"false" ) "#" counter
    counter = "0" / ( %x31-39 *DIGIT )      ; at most 4294967295; the payload at most 40 bytes

Bytes are compared with bytes and nothing is decoded, so that no other spelling of a digit or a letter passes.
"""

import re
from dataclasses import dataclass
from typing import Literal

OP_RETURN = 0x6A
LARGEST_DIRECT_PUSH = 0x4B
MAX_PAYLOAD_BYTES = 40
MAX_NONCE = 2**32 - 1

SIGNAL_TEXT = b"guardv1.Lock="
"""What every signal holds, to find those that may be one."""

Reason = Literal[
    "not-op-return",
    "no-data",
    "push-form",
    "truncated",
    "trailing",
    "too-long",
    "grammar",
    "leading-zero",
    "out-of-range",
]
Intent = Literal["lock", "unlock", "unclear"]

_SHAPE = re.compile(rb"guardv1\.Lock=(true|false)#([0-9]+)")


@dataclass(frozen=True, slots=True)
class Payload:
    """What a signal says: lock or unlock, and its nonce, 0 to 4294967295."""

    lock: bool
    nonce: int

    def __str__(self) -> str:
        return f"{'lock' if self.lock else 'unlock'} {self.nonce}"

    def to_bytes(self) -> bytes:
        """The payload as it is pushed after ``OP_RETURN``."""
        return SIGNAL_TEXT + b"%s#%d" % (b"true" if self.lock else b"false", self.nonce)

    def to_script(self) -> bytes:
        """The whole scriptPubKey of an output that carries this signal."""
        payload = self.to_bytes()
        return bytes((OP_RETURN, len(payload))) + payload


@dataclass(frozen=True, slots=True)
class Rejected:
    """Not a signal; the first rule that it breaks, in the order of ``Reason``."""

    reason: Reason


def parse_script(script: bytes) -> Payload | Rejected:
    """Read a scriptPubKey: ``OP_RETURN``, one direct push of the payload, and nothing else."""
    if script[:1] != bytes((OP_RETURN,)):
        return Rejected("not-op-return")
    if len(script) == 1:
        return Rejected("no-data")
    pushed = script[1]
    if not 1 <= pushed <= LARGEST_DIRECT_PUSH:
        return Rejected("push-form")
    if len(script) < 2 + pushed:
        return Rejected("truncated")
    if len(script) > 2 + pushed:
        return Rejected("trailing")
    return parse_payload(script[2:])


def parse_payload(payload: bytes) -> Payload | Rejected:
    """Read the pushed bytes. The length comes first: it also bounds the number that is converted."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        return Rejected("too-long")
    shape = _SHAPE.fullmatch(payload)
    if shape is None:
        return Rejected("grammar")
    switch, counter = shape.groups()
    if len(counter) > 1 and counter.startswith(b"0"):
        return Rejected("leading-zero")
    if int(counter) > MAX_NONCE:
        return Rejected("out-of-range")
    return Payload(lock=switch == b"true", nonce=int(counter))


def looks_like_guardian(script: bytes) -> bool:
    """True when somebody may have meant a signal: the bytes hold "guardv" in any case."""
    return b"guardv" in script.lower()


def apparent_intent(script: bytes) -> Intent:
    """What the writer of a malformed signal seems to have wanted. For the words of an alert only."""
    text = script.lower()
    to_lock = b"true" in text
    to_unlock = b"false" in text or b"unlock" in text
    if to_lock == to_unlock:
        return "unclear"
    return "lock" if to_lock else "unlock"
