"""script: spends from, and payments to, an address or scriptPubKey. Each coin it gets is watched at once."""

from collections.abc import Iterator

from bwm.chain.tx import Tx
from bwm.watch.touch import Touch, touches
from bwm.watch.watch import Family, Match, WatchIndex

NAME = "script"


def match(tx: Tx, index: WatchIndex) -> Iterator[Match]:
    """A match for each watched script whose coins ``tx`` spends, or that it pays."""
    for touch in touches(tx, index, NAME):
        yield match_of(touch, tx.txid)


def match_of(touch: Touch, txid: str) -> Match:
    """A spend, even when some of it comes back to the same scripts; else a receipt."""
    trigger, learned, used = touch.trigger, tuple(touch.made), tuple(touch.paid)
    if touch.spent:
        detail = {"received_sats": touch.sats_in} if touch.made else {}
        words, spent = touch.spent_words, tuple(touch.spent)
        return Match(trigger, txid, Family.TRIGGER, touch.sats_out, words, detail, learned, spent, used)
    outputs = "an output" if len(touch.made) == 1 else f"{len(touch.made)} outputs"
    reason = f"pays a watched script in {outputs}"
    return Match(trigger, txid, Family.FUNDS, touch.sats_in, reason, {}, learned, used=used)
