"""The messages of the four main events, side by side in each language, as the README shows them.

``python -m tests.docs.messages`` prints the tables.
"""

from dataclasses import replace
from zoneinfo import ZoneInfo

from bwm.chain.block import BlockRef
from bwm.event import Event
from bwm.language import language, names
from bwm.wording import Coming, Reader, Telling, Text, tell

AT = 1795251900
ZONES = {"en": "UTC", "de": "Europe/Berlin", "es": "America/Argentina/Buenos_Aires"}

COIN = "67fa9914b23f5043b46921fd3114e2eb286ec1c0499e90fd4f56187f93adc6a1:1"
TXID = "c01f78a6a7f1f8089a4262f3789d9ca68149ffeb1060f92e5ef925c2edb79252"
LOCK_TXID = "97e24a612810471e124e12c406244200eb5cd6169538a73c68e3cdc14059d706"

THEFT = Event(
    key="",
    kind="trigger.seen",
    at=AT,
    network="main",
    reason=f"spends watched outpoint {COIN}",
    vault="cold",
    trigger_kind="outpoint",
    trigger_key=COIN,
    txid=TXID,
    sats=50_000_000,
    seq=1,
)
MINED = replace(THEFT, kind="trigger.confirmed", block=BlockRef(924_551, ""), seq=2)
LOCK = Event(
    key="",
    kind="guardian.locked",
    at=AT,
    network="main",
    reason=f"lock 2 in {LOCK_TXID}",
    guardian="family",
    txid=LOCK_TXID,
    seq=3,
)
BLIND = Event(key="", kind="node.unreachable", at=AT, network="main", reason="", detail={"words": "no answer"}, seq=4)

EVENTS = (
    ("Coins are being moved", THEFT, THEFT, (Coming("sweep", AT + 1200, 7, unless_answered=True),), 144),
    ("That is mined: an update", THEFT, MINED, (), 143),
    ("A guardian locks", LOCK, LOCK, (), None),
    ("bwm cannot see", BLIND, BLIND, (), None),
)


def tables() -> str:
    """Markdown: a table for each event, with a column for each language."""
    return "\n\n".join(_table(*one) for one in EVENTS)


def _table(name: str, about: Event, latest: Event, coming: tuple[Coming, ...], blocks_left: int | None) -> str:
    telling = Telling("nqvsj5m6ew", AT, AT + 60, "k7qf-3m2p", coming=coming, now=AT, blocks_left=blocks_left)
    texts = [tell(about, latest, telling, Reader(language(each), ZoneInfo(ZONES[each]))) for each in names()]
    heads = " | ".join(f"`{each}`" for each in names())
    return "\n".join(
        (f"**{name}**", "", f"| {heads} |", f"|{'---|' * len(texts)}", f"| {' | '.join(map(_cell, texts))} |")
    )


def _cell(text: Text) -> str:
    return "<br>".join((f"**{text.title}**", *text.body.splitlines()))


if __name__ == "__main__":
    print(tables())
