"""The numbers of events and announcements, as a token may see them.

They are counted for everybody together: two numbers that a token is shown would tell it how much happened to others
between them. So a token that does not see everything is shown numbers of its own: the same for the same thing, each
another one, in no order. They are the true ones, enciphered with a key that is its own.
"""

import hmac
from hashlib import blake2b

from bwm.api.problems import Problem
from bwm.api.v1.operation import Surroundings
from bwm.daemon.answering import answer_key
from bwm.db.tokens import Holder

_HALF = 26  # bits: both halves are a number that every reader of JSON understands (RFC 8259 §6)
_MASK = (1 << _HALF) - 1
_ROUNDS = 8


class Numbers:
    """How one token is shown the numbers of one sort of things."""

    def __init__(self, key: bytes | None) -> None:
        """``key``: None for who sees everything, and with that the true numbers."""
        self._key = key

    def shown(self, number: int) -> int:
        """What the token is shown; from 1 on, like the number itself."""
        if self._key is None:
            return number
        left, right = number >> _HALF, number & _MASK
        for turn in range(_ROUNDS):
            left, right = right, left ^ self._mixed(turn, right)
        return (left << _HALF | right) + 1

    def true(self, shown: int, latest: int) -> int:
        """The number of what the token was shown; 0 is before everything. ``latest``: the highest that there is.

        Raises Problem 400 for one that the token was never shown.
        """
        if self._key is None or shown == 0:
            return shown
        left, right = (shown - 1) >> _HALF, (shown - 1) & _MASK
        for turn in reversed(range(_ROUNDS)):
            left, right = right ^ self._mixed(turn, left), left
        number = left << _HALF | right
        if not 0 < number <= latest:
            raise Problem(400, "after must be a number that this token was given.")
        return number

    def _mixed(self, turn: int, half: int) -> int:
        assert self._key is not None
        digest = blake2b(bytes([turn]) + half.to_bytes(4), digest_size=4, key=self._key).digest()
        return int.from_bytes(digest) & _MASK


def numbers_of(around: Surroundings, holder: Holder, what: str) -> Numbers:
    """``what``: the sort of things, for each of which a token's numbers are others."""
    if holder.sees_all:
        return Numbers(None)
    secret = answer_key(around.config.state_dir)
    return Numbers(hmac.digest(secret, f"numbers of {what} for token {holder.id}".encode(), "sha256"))
