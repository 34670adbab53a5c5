"""Which of these keys may be watched? The one question that every transaction of the network is put to."""

from collections.abc import Collection, Iterable
from itertools import combinations, islice

from bwm.chain.sieve import ENDINGS, Marked, Wanted, note_endings

_SET_LIMIT = 200_000  # keys; a set takes 110 bytes for each, so beyond it only marks are kept
_BATCH = 10_000  # keys added in one go
_SMALLEST = 1 << 22  # bytes for marks to begin with: room for two million keys, and less than the set took
_BYTES_PER_KEY = 2  # at least; then at most one foreign key in 40 gives a false alarm, usually one in 100
_PATTERNS = tuple(sum(1 << bit for bit in bits) for bits in combinations(range(8), 3))
_PATTERN_SHIFT = 40  # the bits of a hash that choose the pattern lie above those that choose the byte


class KeyFilter:
    """A set of keys of any sort: outpoints, txids, scripts.

    Up to 200,000 keys the answers are exact. Beyond that a key is kept as a mark only, three bits of one byte among
    many (a Bloom filter whose bits lie together, as every byte read is a wait for memory; 2 to 4 bytes a key from a
    million on): a few false alarms, never a miss. So the caller looks every candidate up in the database. A key cannot
    be taken out: a filter is built anew now and then.

    The marks follow from Python's own hash of bytes, which is keyed anew in every process: nobody can aim scripts at
    them. Hence PYTHONHASHSEED must never be fixed, and the marks never be stored.
    """

    def __init__(self, keys: Iterable[bytes] = (), expected: int = 0) -> None:
        """``expected``: about how many keys there will be; above two million it keeps false alarms rare."""
        self._keys: set[bytes] = set()
        self._endings = bytearray(ENDINGS)
        self._lengths: set[int] = set()  # of the keys of which marks are kept
        self._marks = _room_for(expected) if expected > _SET_LIMIT else bytearray()
        self._count = 0
        self._exact: Wanted | None = None  # since the last key was added
        self.add(keys)

    @property
    def wanted(self) -> Wanted | Marked:
        """For the sieve, to be read only: the keys themselves, or marks of them once there are too many."""
        if self._marks:
            return Marked(self._marks, len(self._marks) - 1, self._lengths)
        if self._exact is None:
            self._exact = Wanted(self._keys, bytes(self._endings))
        return self._exact

    def __len__(self) -> int:
        """How many different keys were added; a little too low once only their marks are kept."""
        return self._count if self._marks else len(self._keys)

    def add(self, keys: Iterable[bytes]) -> None:
        """Watch these keys too."""
        remaining = iter(keys)
        while batch := list(islice(remaining, _BATCH)):
            self._exact = None
            if self._marks:
                self._mark(batch)
                continue
            self._keys.update(batch)
            note_endings(self._endings, batch)
            if len(self._keys) > _SET_LIMIT:
                self._marks = _room_for(len(self._keys))
                self._mark(self._keys)
                self._keys = set()
                self._endings = bytearray()

    def candidates(self, keys: Iterable[bytes]) -> list[bytes]:
        """Those of the keys that may be watched, each once, in the order of their bytes."""
        return sorted(self._marked(keys) if self._marks else self._keys.intersection(keys))

    def any_of(self, keys: Collection[bytes]) -> bool:
        """Whether one of the keys may be watched."""
        return bool(self._marked(keys)) if self._marks else not self._keys.isdisjoint(keys)

    def _marked(self, keys: Iterable[bytes]) -> set[bytes]:
        """Names are bound to locals, because nothing in bwm runs more often; most keys fall on an empty byte."""
        marks, mask, patterns, kinds, hash_of = self._marks, len(self._marks) - 1, _PATTERNS, len(_PATTERNS), hash
        return {
            key
            for key in keys
            if (mark := marks[(hashed := hash_of(key)) & mask])
            and mark & (pattern := patterns[(hashed >> _PATTERN_SHIFT) % kinds]) == pattern
        }

    def _mark(self, keys: Collection[bytes]) -> None:
        if (self._count + len(keys)) * _BYTES_PER_KEY > len(self._marks):
            # The mask grows by a bit: a key's place stays or moves up by the old size. Both are marked.
            self._marks *= 2
        marks, mask, kinds = self._marks, len(self._marks) - 1, len(_PATTERNS)
        self._lengths.update(map(len, keys))
        for key in keys:
            hashed = hash(key)
            place = hashed & mask
            pattern = _PATTERNS[(hashed >> _PATTERN_SHIFT) % kinds]
            if marks[place] & pattern != pattern:
                marks[place] |= pattern
                self._count += 1


def _room_for(count: int) -> bytearray:
    """Empty bytes for so many keys, a power of two of them: a mask then finds a key's place."""
    return bytearray(max(_SMALLEST, 1 << (count * _BYTES_PER_KEY).bit_length()))
