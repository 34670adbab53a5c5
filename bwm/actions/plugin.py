"""plugin: a program is asked, in the words in which miradord asks its plug-ins, whether to cancel a spend.

It gets one JSON object on one line: ``method`` (always ``new_block``), the height under both of its names, its
``config``, and in ``block_info`` what happened. It answers with ``{"revault": ["txid:vout", ...]}``.
"""

import base64
import json
from typing import Any

from bwm.actions.deed import Deed
from bwm.actions.program import Program, ProgramFailed, run
from bwm.chain.outpoint import outpoint_text
from bwm.chain.psbt import unsigned_psbt
from bwm.chain.tx import parse_tx

NAME = "plugin"
TRIES = 2
_OVER = ("trigger.final",)
_CANCELLED = ("trigger.replaced", "trigger.evicted", "trigger.conflicted")


def carry_out(deed: Deed) -> dict[str, object]:
    """Its answer: whether it asks for this vault to be saved. Raises ProgramFailed also for an answer that is none."""
    deposit = deposit_of(deed)
    program = Program([deed.target], int(deed.arguments["timeout_s"]))
    said = run(program, (json.dumps(request_of(deed)) + "\n").encode(), {})
    named = _outpoints(deed.target, said)
    return {"revault": deposit in named, "unknown": sorted(named - {deposit})[:10]}


def request_of(deed: Deed) -> dict[str, Any]:
    """What it is told. Of one event at a time: an attempt, or how one ended."""
    event, deposit = deed.event, deposit_of(deed)
    new, over, cancelled = [], [], []
    if event.kind in _OVER:
        over.append(deposit)
    elif event.kind in _CANCELLED:
        cancelled.append(deposit)
    else:
        psbt = unsigned_psbt(parse_tx(deed.raw)) if deed.raw else b""
        unvault = base64.b64encode(psbt).decode()
        new.append({"value": event.sats or 0, "deposit_outpoint": deposit, "unvault_tx": unvault})
    height = int(deed.arguments.get("height", 0))
    return {
        "method": "new_block",
        "block_height": height,
        "blockheight": height,
        "config": deed.arguments.get("config"),
        "block_info": {"new_attempts": new, "successful_attempts": over, "revaulted_attempts": cancelled},
    }


def deposit_of(deed: Deed) -> str:
    """The coin by which a plug-in knows the vault: the one that is watched, else the first that is spent."""
    event = deed.event
    if event.trigger_kind == "outpoint" and event.trigger_key:
        return event.trigger_key
    if deed.raw:
        return outpoint_text(parse_tx(deed.raw).inputs[0].spends)
    return f"{event.txid}:0"


def _outpoints(program: str, said: bytes) -> set[str]:
    try:
        answer = json.loads(said)
        named = answer["revault"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ProgramFailed(f"{program} gave no answer that can be read") from None
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        raise ProgramFailed(f"{program} gave no list of outpoints as its answer")
    return set(named)
