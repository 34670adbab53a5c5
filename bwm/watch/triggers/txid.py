"""txid: a watched transaction appears, or another one spends what it would have spent.

Once the watched transaction is known, its coins are watched too: a replacement or a re-signed copy has another
txid and spends the same coins.
"""

from collections.abc import Iterator

from bwm.chain.outpoint import outpoint_text, txid_key
from bwm.chain.tx import Tx
from bwm.watch.touch import touches
from bwm.watch.watch import Family, Match, Trigger, Watch, WatchIndex, What

NAME = "txid"


def match(tx: Tx, index: WatchIndex) -> Iterator[Match]:
    """A match for each watched txid that ``tx`` is, and for each whose coins it spends in its stead."""
    itself = {watch.trigger.id: watch.trigger for watch in index.by_txid(txid_key(tx.txid))}
    for trigger in itself.values():
        moved = sum(output.sats for output in tx.outputs)
        reason = f"is the watched transaction {tx.txid}"
        yield Match(trigger, tx.txid, Family.TRIGGER, moved, reason, {}, _coins(trigger, tx))
    for touch in touches(tx, index, NAME):
        if touch.trigger.id not in itself:
            coin = outpoint_text(touch.spent[0].key)
            reason = f"spends {coin}, which the watched transaction {touch.trigger.key} spends"
            yield Match(touch.trigger, tx.txid, Family.TRIGGER, touch.sats_out, reason, {"rival": True})


def _coins(trigger: Trigger, tx: Tx) -> tuple[Watch, ...]:
    if tx.is_coinbase:
        return ()
    return tuple(Watch(trigger, What.COIN, item.spends) for item in tx.inputs)
