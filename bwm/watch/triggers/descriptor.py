"""descriptor: the same as script, for every script that a ranged output descriptor gives within its gap limit."""

from collections.abc import Iterator
from dataclasses import replace

from bwm.chain.tx import Tx
from bwm.watch.touch import touches
from bwm.watch.triggers.script import match_of
from bwm.watch.watch import Match, WatchIndex

NAME = "descriptor"


def match(tx: Tx, index: WatchIndex) -> Iterator[Match]:
    """A match for each descriptor whose coins ``tx`` spends or whose scripts it pays, with the indexes paid."""
    for touch in touches(tx, index, NAME):
        found = match_of(touch, tx.txid)
        positions = sorted({watch.position for watch in touch.paid if watch.position is not None})
        yield replace(found, detail={**found.detail, "indexes": positions}) if positions else found
