"""guardian: a Guardian Address is spent from, with or without a signal, or paid to.

What a signal means is read in bwm/guardian; here only the touch is noticed. A coin is known to be the guardian's
because its output was seen with the guardian's scriptPubKey: nothing inside the input itself is proof.
"""

from collections.abc import Iterator

from bwm.chain.tx import Tx
from bwm.watch.touch import touches
from bwm.watch.watch import Family, Match, WatchIndex

NAME = "guardian"


def match(tx: Tx, index: WatchIndex) -> Iterator[Match]:
    """A match for each guardian whose coins ``tx`` spends or whose address it pays."""
    for touch in touches(tx, index, NAME):
        if touch.spent:
            detail = {"spent": True, "received_sats": touch.sats_in}
            sats, reason = touch.sats_out, touch.spent_words.replace("watched", "the guardian's")
        else:
            detail, sats, reason = {"spent": False}, touch.sats_in, "pays the guardian's address"
        learned, spent, used = tuple(touch.made), tuple(touch.spent), tuple(touch.paid)
        yield Match(touch.trigger, tx.txid, Family.GUARDIAN, sats, reason, detail, learned, spent, used)
