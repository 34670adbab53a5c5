"""How long the thief must wait, and so how many blocks are left for the response (BIP 65, 68, 112, 113). Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

_SECONDS_A_BLOCK = 600
_UNIT_S = 512  # of a relative lock by time (BIP 68)
_BY_TIME = 1 << 22  # its flag
_DISABLED = 1 << 31
_VALUE = 0xFFFF
_FIRST_TIME = 500_000_000  # locktimes below are heights (BIP 65)
_OP_CLTV, _OP_CSV = 0xB1, 0xB2

Kind = Literal["blocks", "seconds", "height", "time"]


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock on the thief's path. ``blocks`` and ``seconds`` count from the trigger's block, the others do not.

    ``time`` is unix seconds. Both kinds of time are compared with the chain's median time past.
    """

    kind: Kind
    amount: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.amount}"


def parse_lock(text: str) -> Lock:
    """A lock as it was written by ``str``. Raises ValueError."""
    kind, _, amount = text.partition(":")
    for known in ("blocks", "seconds", "height", "time"):
        if kind == known and re.fullmatch(r"\d{1,12}", amount):
            return Lock(known, int(amount))
    raise ValueError(f"{text!r} is no lock")


@dataclass(frozen=True, slots=True)
class Moment:
    """A block by its height and the median time past of it (BIP 113)."""

    height: int
    median_time: int


@dataclass(frozen=True, slots=True)
class Left:
    """Blocks in which the response can still be mined before the thief: of how many at the beginning."""

    blocks: int
    in_all: int


def left(lock: Lock, tip: Moment, before_trigger: Moment | None) -> Left:
    """What is left of a lock. ``before_trigger``: the block before the trigger's; None while that is not mined.

    A trigger in the mempool counts as if it were mined in the next block. Times are turned into blocks of ten minutes.
    """
    start = before_trigger or tip
    match lock.kind:
        case "blocks":  # mined at height h, the thief can follow at h + amount: ours at h + amount - 1 at the latest
            last = start.height + lock.amount
            return Left(max(0, last - tip.height), lock.amount)
        case "height":  # the thief can be mined above this height
            return Left(max(0, lock.amount - tip.height), max(1, lock.amount - start.height))
        case "seconds":
            ends = start.median_time + lock.amount
        case "time":
            ends = lock.amount
    in_all = max(1, (ends - start.median_time) // _SECONDS_A_BLOCK)
    return Left(max(0, (ends - tip.median_time) // _SECONDS_A_BLOCK), in_all)


def relative_lock(value: int) -> Lock | None:
    """What a relative lock's number means (BIP 68); None when it locks nothing."""
    if value & _DISABLED or not value & _VALUE:
        return None
    amount = value & _VALUE
    return Lock("seconds", amount * _UNIT_S) if value & _BY_TIME else Lock("blocks", amount)


def absolute_lock(value: int) -> Lock | None:
    """What a locktime means (BIP 65); None when it locks nothing."""
    if value == 0:
        return None
    return Lock("time", value) if value >= _FIRST_TIME else Lock("height", value)


def locks_in(script: bytes) -> Iterator[Lock]:
    """Every lock that a script demands on one of its paths: a number, then CHECKSEQUENCEVERIFY or its sibling.

    A script shows all paths of a P2WSH or P2SH coin; of a taproot coin only the one that is used.
    """
    number: int | None = None
    at = 0
    while at < len(script):
        op, at = script[at], at + 1
        if op in (_OP_CSV, _OP_CLTV) and number is not None:
            found = relative_lock(number) if op == _OP_CSV else absolute_lock(number)
            if found:
                yield found
        number = None
        if 1 <= op <= 75:
            number = _script_number(script[at : at + op]) if op <= 5 else None
            at += op
        elif 0x51 <= op <= 0x60:
            number = op - 0x50
        elif op in (76, 77, 78):
            width = 1 << (op - 76)
            at += width + int.from_bytes(script[at : at + width], "little")


def _script_number(data: bytes) -> int | None:
    """A positive number of a script: little-endian, the highest bit its sign."""
    if data[-1:] and data[-1] & 0x80:
        return None
    return int.from_bytes(data, "little")


def shortest(locks: Iterator[Lock] | list[Lock]) -> Lock | None:
    """The lock to fear: of relative ones the first to end, else of absolute ones."""
    relative = {"blocks": _SECONDS_A_BLOCK, "seconds": 1}
    ordered = sorted(locks, key=lambda lock: (lock.kind not in relative, lock.amount * relative.get(lock.kind, 1)))
    return ordered[0] if ordered else None


def in_words(lock: Lock) -> str:
    """For people: ``10 blocks after the trigger``."""
    match lock.kind:
        case "blocks":
            return f"{lock.amount} blocks after the trigger"
        case "seconds":
            return f"{lock.amount / 3600:.1f} hours after the trigger"
        case "height":
            return f"above block {lock.amount}"
    return f"after median time {lock.amount}"
