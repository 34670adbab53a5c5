"""plugin: a program is asked, in the words in which miradord asks its plug-ins, which spends to cancel.

It gets one JSON object on one line: ``method`` (always ``new_block``), the height under both of its names, its
``config``, and in ``block_info`` what happened since it was asked last, which may be nothing. It answers with
``{"revault": ["txid:vout", ...]}``: coins of attempts that it was told of then or earlier.
"""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bwm.actions.program import Program, ProgramFailed, run
from bwm.chain.outpoint import outpoint_text
from bwm.chain.psbt import unsigned_psbt
from bwm.chain.tx import parse_tx
from bwm.event import Event

NAME = "plugin"
TRIES = 2
_OVER = ("trigger.final",)
_CANCELLED = ("trigger.replaced", "trigger.evicted", "trigger.conflicted")


@dataclass(frozen=True, slots=True)
class News:
    """Something that happened, and the bytes of its transaction where they are known."""

    event: Event
    raw: bytes | None = None

    @property
    def deposit(self) -> str:
        """The coin by which a plug-in knows the vault: the one that is watched, else the first that is spent."""
        if self.event.trigger_kind == "outpoint" and self.event.trigger_key:
            return self.event.trigger_key
        if self.raw:
            return outpoint_text(parse_tx(self.raw).inputs[0].spends)
        return f"{self.event.txid}:0"

    @property
    def is_attempt(self) -> bool:
        """Whether it begins a spend, rather than ends one."""
        return self.event.kind not in (*_OVER, *_CANCELLED)


def ask(program: str, timeout_s: int, request: dict[str, Any]) -> frozenset[str]:
    """The coins that it names. Raises ProgramFailed also for an answer that is none."""
    said = run(Program([program], timeout_s), (json.dumps(request) + "\n").encode(), {})
    try:
        answer = json.loads(said)
        named = answer["revault"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ProgramFailed(f"{program} gave no answer that can be read") from None
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        raise ProgramFailed(f"{program} gave no list of outpoints as its answer")
    return frozenset(named)


def request_of(news: Iterable[News], height: int, config: Any) -> dict[str, Any]:
    """What it is told. ``news`` in the order in which it happened: of each coin the last attempt and its end count."""
    attempts: dict[str, News] = {}
    ends: dict[str, News] = {}
    for one in news:
        if one.is_attempt:
            attempts[one.deposit] = one
            ends.pop(one.deposit, None)
        else:
            ends[one.deposit] = one
    return {
        "method": "new_block",
        "block_height": height,
        "blockheight": height,
        "config": config,
        "block_info": {
            "new_attempts": [_attempt(one) for one in attempts.values()],
            "successful_attempts": [coin for coin, one in ends.items() if one.event.kind in _OVER],
            "revaulted_attempts": [coin for coin, one in ends.items() if one.event.kind in _CANCELLED],
        },
    }


def _attempt(one: News) -> dict[str, object]:
    psbt = unsigned_psbt(parse_tx(one.raw)) if one.raw else b""
    unvault = base64.b64encode(psbt).decode()
    return {"value": one.event.sats or 0, "deposit_outpoint": one.deposit, "unvault_tx": unvault}
