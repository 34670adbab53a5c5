"""The sieve: serialised transactions in, what they touch out, without making an object of any of them.

All that bwm watches is found by comparing bytes: an input spends a coin by naming its outpoint, an output
pays to a script. One pass over the bytes lists both, some forty times faster than a parser that builds
transactions; those are built only for the few that may concern us. This is plain Python that mypyc compiles
as it is.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from bwm.errors import Damaged

if TYPE_CHECKING:
    from mypy_extensions import i64  # what a name that says so holds when compiled: a number of the machine's own

ENDINGS = 1 << 16
_SHORT = 6  # bytes: a shorter key has no ending


class Wanted(NamedTuple):
    """Keys that are looked for."""

    keys: set[bytes]
    endings: bytes
    """For each number that two bytes near the end of a key may make, 1 if one of the keys has them.

    They are the sixth and the fifth from the last: of an outpoint, the end of its txid; of the usual scripts, a part of
    the hash or key that they pay to. A glance there spares most keys of a block from being cut out and compared.
    """


class Marked(NamedTuple):
    """Keys that may be looked for: only marks of them are kept."""

    marks: bytearray
    """Not 0 at the place ``hash(key) & mask`` of each key that is looked for, and at some others."""
    mask: int
    lengths: set[int]
    """How many bytes each of them has, for whoever watches a million scripts seldom watches scripts of every sort."""


_NONE = Wanted(set(), b"")
_NO_MARKS = Marked(bytearray(b"\x00"), 0, set())
_OUTPOINT = 36  # bytes


def wanted(keys: Iterable[bytes]) -> Wanted:
    """These keys, to be looked for."""
    some, endings = set(keys), bytearray(ENDINGS)
    note_endings(endings, some)
    return Wanted(some, bytes(endings))


def note_endings(endings: bytearray, keys: Iterable[bytes]) -> None:
    """Add the endings of these keys to those of others."""
    for key in keys:
        if len(key) >= _SHORT:
            endings[key[-6] | key[-5] << 8] = 1


class BlockKeys(NamedTuple):
    """What lies in the sieve after a block, or any run of transactions."""

    keys: list[bytes]
    """The outpoints spent and the output scripts, in the order of the bytes: all, or those that ``only`` says."""
    starts: list[tuple[int, int]]  # each transaction: where it begins, and how many of the keys come before its own
    stem_ends: list[int]  # each transaction: where its outputs end and its witness or locktime follows


def compact_size(raw: bytes, position: int) -> tuple[int, int]:
    """The CompactSize number at the position, and the position after it.

    Where the bytes end too early the number may be too small, but then the position is beyond the end.
    """
    first = raw[position]
    if first < 253:
        return first, position + 1
    end = position + 1 + (2 << (first - 253))
    return int.from_bytes(raw[position + 1 : end], "little"), end


def sieve(
    raw: bytes, position: int, count: int, only: Wanted | Marked | None = None, *, with_places: bool = True
) -> BlockKeys:
    """The keys of ``count`` transactions (BIP 144) that fill the bytes from ``position`` to the end.

    ``only``: those that are among these, or may be. It is faster to drop a key at once than to keep thousands of them
    until all are there: its memory is still at hand for the next. Without ``with_places`` nothing is noted of where
    each transaction lies. Raises Damaged if the transactions do not end exactly there.
    """
    try:
        if not 0 <= count <= len(raw):
            raise IndexError
        return _sieve(raw, position, count, only, with_places)
    except IndexError:
        raise Damaged("the bytes end in the middle of a transaction") from None


def _long(raw: bytes, position: int) -> tuple[int, int]:
    """``compact_size``, of something that these bytes hold: no sum with it is beyond what a machine counts with."""
    number, position = compact_size(raw, position)
    if number > len(raw):
        raise IndexError
    return number, position


def _sieve(raw: bytes, position: int, count: int, only: Wanted | Marked | None, with_places: bool) -> BlockKeys:
    """One long function on purpose: a call for each input, output or length would cost half of the speed.

    For the same reason it counts down instead of making ranges, and reads lengths below 253, one byte, in
    place. To read a byte beyond the end raises, to slice there does not: the comparison of the last line
    catches that.
    """
    by_ending = isinstance(only, Wanted)
    some, endings = only if isinstance(only, Wanted) else _NONE
    by_mark = isinstance(only, Marked)
    marks, mask, lengths = only if isinstance(only, Marked) else _NO_MARKS
    has_outpoints = _OUTPOINT in lengths
    keys: list[bytes] = []
    starts: list[tuple[int, int]] = []
    stem_ends: list[int] = []
    p: i64 = position
    transactions: i64 = count
    inputs: i64
    left: i64
    items: i64
    size: i64
    end: i64
    while transactions:
        if with_places:
            starts.append((p, len(keys)))
        has_witness = raw[p + 4] == 0
        if has_witness:
            if raw[p + 5] != 1:
                raise Damaged("a transaction has no inputs, or a flag that nobody knows")
            p += 6
        else:
            p += 4
        inputs = raw[p]
        p += 1
        if inputs >= 253:
            inputs, p = _long(raw, p - 1)
        left = inputs
        while left:
            end = p + 36
            if by_ending:
                if endings[raw[end - 6] | raw[end - 5] << 8] and (key := raw[p:end]) in some:
                    keys.append(key)
            elif by_mark:
                if has_outpoints and marks[hash(key := raw[p:end]) & mask]:
                    keys.append(key)
            else:
                keys.append(raw[p:end])
            size = raw[end]
            if size < 253:
                p = end + size + 5
            else:
                size, p = _long(raw, end)
                p += size + 4
            left -= 1
        left = raw[p]
        p += 1
        if left >= 253:
            left, p = _long(raw, p - 1)
        while left:
            size = raw[p + 8]
            p += 9
            if size >= 253:
                size, p = _long(raw, p - 1)
            end = p + size
            if by_ending:
                if (size < _SHORT or endings[raw[end - 6] | raw[end - 5] << 8]) and (key := raw[p:end]) in some:
                    keys.append(key)
            elif by_mark:
                if size in lengths and marks[hash(key := raw[p:end]) & mask]:
                    keys.append(key)
            else:
                keys.append(raw[p:end])
            p = end
            left -= 1
        if with_places:
            stem_ends.append(p)
        if has_witness:
            while inputs:
                items = raw[p]
                p += 1
                if items >= 253:
                    items, p = _long(raw, p - 1)
                while items:
                    size = raw[p]
                    if size < 253:
                        p += size + 1
                    else:
                        size, p = _long(raw, p)
                        p += size
                    items -= 1
                inputs -= 1
        p += 4
        transactions -= 1
    if p != len(raw):
        raise Damaged("the bytes do not end where the last transaction ends")
    return BlockKeys(keys, starts, stem_ends)


def txid_keys(raw: bytes, sieved: BlockKeys) -> list[bytes]:
    """The txid of every transaction, little-endian. Twice the work of the sieve: hashing takes its time."""
    starts, stem_ends = sieved.starts, sieved.stem_ends
    txids: list[bytes] = []
    begin = starts[0][0] if starts else 0
    for number in range(len(starts)):
        end = starts[number + 1][0] if number + 1 < len(starts) else len(raw)
        if raw[begin + 4]:
            stripped = raw[begin:end]
        else:
            stripped = raw[begin : begin + 4] + raw[begin + 6 : stem_ends[number]] + raw[end - 4 : end]
        txids.append(sha256(sha256(stripped).digest()).digest())  # sha256d, without a call for each
        begin = end
    return txids
