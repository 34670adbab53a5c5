"""What a transaction does to the coins and scripts of each trigger: the groundwork that all kinds share."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from bwm.chain.outpoint import outpoint_key, outpoint_text
from bwm.chain.tx import Tx
from bwm.watch.watch import Trigger, Watch, WatchIndex, What


@dataclass(slots=True)
class Touch:
    """One transaction and one trigger."""

    trigger: Trigger
    spent: list[Watch] = field(default_factory=list)  # coins of the trigger among the inputs
    paid: list[Watch] = field(default_factory=list)  # scripts of the trigger among the outputs
    made: list[Watch] = field(default_factory=list)  # the coins that those outputs are

    @property
    def sats_out(self) -> int | None:
        """Sat that left the trigger's coins; None when the amount of one of them is not known."""
        amounts = [watch.sats for watch in self.spent]
        return None if None in amounts else sum(sats for sats in amounts if sats is not None)

    @property
    def sats_in(self) -> int:
        """Sat that came to the trigger's scripts."""
        return sum(watch.sats or 0 for watch in self.made)

    @property
    def spent_words(self) -> str:
        """The spent coins in a sentence: the first one and how many more."""
        more = f" and {len(self.spent) - 1} more" if len(self.spent) > 1 else ""
        return f"spends watched outpoint {outpoint_text(self.spent[0].key)}{more}"


def touches(tx: Tx, index: WatchIndex, kind: str) -> Iterator[Touch]:
    """What ``tx`` does to each trigger of a kind, in the order in which it meets them."""
    found: dict[int, Touch] = {}

    def of(watch: Watch) -> Touch:
        return found.setdefault(watch.trigger.id, Touch(watch.trigger))

    for item in tx.inputs:
        for watch in index.by_coin(item.spends):
            if watch.trigger.kind == kind:
                of(watch).spent.append(watch)
    for vout, output in enumerate(tx.outputs):
        for watch in index.by_script(output.script):
            if watch.trigger.kind == kind:
                coin = Watch(watch.trigger, What.COIN, outpoint_key(tx.txid, vout), sats=output.sats)
                touch = of(watch)
                touch.paid.append(watch)
                touch.made.append(coin)
    yield from found.values()
