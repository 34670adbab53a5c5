"""What the node's answer to a transaction means, and what follows. A table: no answer decides alone that all is lost.

Unknown is never permanent. Sources: src/rpc/protocol.h and src/validation.cpp of Bitcoin Core 29; measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Answer(StrEnum):
    """What the node said."""

    ACCEPTED = "accepted"
    MINED = "mined"
    INPUTS_GONE = "inputs gone"
    OVER_LIMIT = "over a limit"
    TOO_CHEAP = "too cheap"
    OUTBID = "outbid"
    NOT_YET = "not yet valid"
    AGAINST_POLICY = "against the node's rules"
    BAD = "bad"
    TROUBLE = "trouble"


class Deed(StrEnum):
    """What follows."""

    FOLLOW = "follow"  # it is where it should be
    LOOK = "look"  # ask the chain: the code alone does not tell
    RAISE = "raise"  # the next step of the ladder; at every block again
    WAIT = "wait"  # for a block; not a failure
    SET_ASIDE = "set aside"  # this step will never do; the others may
    AGAIN = "again"  # the node's trouble, not the transaction's


@dataclass(frozen=True, slots=True)
class Meaning:
    """The deed, and the sentence for the owner."""

    deed: Deed
    words: str


MEANING: Mapping[Answer, Meaning] = {
    Answer.ACCEPTED: Meaning(Deed.FOLLOW, "it is in the node's mempool"),
    Answer.MINED: Meaning(Deed.LOOK, "it is mined already"),
    Answer.INPUTS_GONE: Meaning(Deed.LOOK, "the coins that it spends are spent, or not there yet"),
    Answer.OVER_LIMIT: Meaning(Deed.SET_ASIDE, "its fee is above what may be paid"),
    Answer.TOO_CHEAP: Meaning(Deed.RAISE, "its fee is too low for the mempool now"),
    Answer.OUTBID: Meaning(Deed.RAISE, "another transaction in the mempool spends the same coins and pays more"),
    Answer.NOT_YET: Meaning(Deed.WAIT, "its time lock has not passed"),
    Answer.AGAINST_POLICY: Meaning(Deed.RAISE, "the node's relay rules do not allow it"),
    Answer.BAD: Meaning(Deed.SET_ASIDE, "it is not valid: sign a new one"),
    Answer.TROUBLE: Meaning(Deed.AGAIN, "the node could not take it now"),
}

_WORDS: tuple[tuple[str, Answer], ...] = (  # the first that is found in the node's words, in lower case
    ("txn-already-in-mempool", Answer.ACCEPTED),
    ("txn-same-nonwitness-data-in-mempool", Answer.ACCEPTED),
    ("already in utxo set", Answer.MINED),
    ("already in block chain", Answer.MINED),
    ("txn-already-known", Answer.MINED),
    ("missingorspent", Answer.INPUTS_GONE),
    ("missing-inputs", Answer.INPUTS_GONE),
    ("missing-ephemeral-spends", Answer.AGAINST_POLICY),
    ("max-fee-exceeded", Answer.OVER_LIMIT),
    ("max feerate exceeded", Answer.OVER_LIMIT),
    ("exceeds maximum", Answer.OVER_LIMIT),
    ("min relay fee not met", Answer.TOO_CHEAP),
    ("mempool min fee not met", Answer.TOO_CHEAP),
    ("mempool full", Answer.TOO_CHEAP),
    ("insufficient fee", Answer.OUTBID),
    ("rejecting replacement", Answer.OUTBID),
    ("replacement", Answer.OUTBID),
    ("txn-mempool-conflict", Answer.OUTBID),
    ("non-bip68-final", Answer.NOT_YET),
    ("non-final", Answer.NOT_YET),
    ("premature-spend-of-coinbase", Answer.NOT_YET),
    ("script-verify-flag", Answer.BAD),
    ("decode failed", Answer.BAD),
    ("bad-txns", Answer.BAD),
    ("bad-witness", Answer.BAD),
)
_BY_CODE = {-27: Answer.MINED, -22: Answer.BAD, -26: Answer.AGAINST_POLICY}
"""RPC_VERIFY_ALREADY_IN_UTXO_SET, RPC_DESERIALIZATION_ERROR, RPC_VERIFY_REJECTED."""


def read_answer(code: int | None, words: str) -> Answer:
    """What a refusal means. ``code`` None: a word of ``testmempoolaccept`` or ``submitpackage``, which have no code."""
    lowered = words.lower()
    for fragment, answer in _WORDS:
        if fragment in lowered:
            return answer
    return Answer.AGAINST_POLICY if code is None else _BY_CODE.get(code, Answer.TROUBLE)
