"""outpoint: a watched coin is an input of a transaction. The strong kind: a re-signed theft is still seen."""

from collections.abc import Iterator

from bwm.chain.tx import Tx
from bwm.watch.touch import touches
from bwm.watch.watch import Family, Match, WatchIndex

NAME = "outpoint"


def match(tx: Tx, index: WatchIndex) -> Iterator[Match]:
    """A match for each watched coin that ``tx`` spends."""
    for touch in touches(tx, index, NAME):
        spent = tuple(touch.spent)
        yield Match(touch.trigger, tx.txid, Family.TRIGGER, touch.sats_out, touch.spent_words, spent=spent)
