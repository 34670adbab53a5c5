"""The answer to "am I locked, why, since when, what would free me, is my lock ready?"."""

from collections.abc import Sequence
from typing import Any

from bwm.clock import rfc3339
from bwm.config import Config
from bwm.daemon.armed_locks import judge_anew
from bwm.daemon.connect import connect
from bwm.daemon.status import status
from bwm.daemon.watch_health import LOOKED_AT
from bwm.db import armed_locks, guardians, protection, settings
from bwm.errors import NodeError
from bwm.guardian.readiness import JudgedLock
from bwm.plan_guardian import GuardianFacts

_HEADLINES = {
    "locked": "Guardian {name} is LOCKED: stop spending.",
    "unlocked": "Guardian {name} is unlocked.",
    "uninstantiated": "Guardian {name} has no valid unlock yet: nobody can rely on it.",
}

_UNMINED = {
    "chain": "mined, by another transaction that says the same",
    "mempool": "not mined yet",
    "gone": "vanished from mempool and chain, which changes nothing",
}


def take_stock(config: Config, name: str, now: int) -> dict[str, Any]:
    """All that is known of one guardian, as show-guardian prints it. Call inside a database connection."""
    [described] = guardians.described(now, name)
    facts = guardians.facts(name, now)
    coins, locks = _ask(config, name, now)
    return described | {
        "where": _where(facts),
        "unlocks": {
            "nonce_from": (facts.state.nonce or 0) + 1,
            "confirmations": facts.unlock_confirmations,
            "delay_s": facts.unlock_delay_s,
        },
        "protects": protection.vaults_of(name),
        "coins": None if coins is None else {"count": len(coins), "sats": sum(coins)},
        "armed_locks": armed_locks.described(locks),
        **sight(config, now),
    }


def sight(config: Config, now: int) -> dict[str, Any]:
    """Whether bwm sees right now: what hides things from it, and when it last looked at chain and mempool."""
    now_seen = status(config, now)
    looked_at = settings.read(LOOKED_AT)
    return {
        "running": now_seen["running"],
        "node_reachable": now_seen["node"]["reachable"],
        "not_covered": now_seen["not_covered"],
        "looked_at": None if looked_at is None else rfc3339(int(looked_at)),
    }


def _ask(config: Config, name: str, now: int) -> tuple[list[int] | None, list[JudgedLock]]:
    """The sat of each coin that it has, and how its armed locks stand; None, and how they stood, without the node."""
    known = armed_locks.judged(name)
    node = connect(config)
    try:
        coins = node.coins(guardians.coins(name), include_mempool=True)
        return [coin.sats for coin in coins.values()], judge_anew(node, known, now)
    except NodeError:
        return None, known


def _where(facts: GuardianFacts) -> str | None:
    """Where the transaction stands that decides the state."""
    if facts.state.place is None:
        return None
    heights = [one.height for one in facts.signals if one.txid == facts.state.txid and one.height is not None]
    return f"mined in block {heights[0]}" if heights else _UNMINED[facts.state.place]


def answer(stock: dict[str, Any]) -> tuple[str, Sequence[tuple[str, str | None]]]:
    """A headline, and facts with their names."""
    facts = [
        ("why", stock["reason"]),
        ("where", stock["where"]),
        ("since", stock["since"]),
        *_ways_out(stock),
        ("protects", ", ".join(stock["protects"]) or "no vault: see bwm edit-guardian"),
        ("coins", _coins_in_words(stock["coins"])),
        *_armed(stock),
        ("bwm sees", _sight_in_words(stock)),
        ("address", stock["address"]),
    ]
    return _HEADLINES[stock["state"]].format(name=stock["name"]), facts


def _ways_out(stock: dict[str, Any]) -> list[tuple[str, str]]:
    unlocks, pending = stock["unlocks"], stock["pending_unlock"]
    after = f"when it is {unlocks['confirmations']} blocks deep" if unlocks["confirmations"] else "at first sight"
    if unlocks["delay_s"]:
        after += f" and was mined {unlocks['delay_s']} seconds ago"
    above = f"with nonce {unlocks['nonce_from']} or higher; it counts"
    if stock["state"] == "unlocked":
        ways = [("to lock", f"sign and send a lock {above} at once")]
    else:
        ways = [("to unlock", f"sign and send an unlock {above} {after}")]
    if pending:
        ways.append(("pending", f"unlock {pending['nonce']}, now {pending['confirmations']} deep; it counts {after}"))
    return ways


def _armed(stock: dict[str, Any]) -> list[tuple[str, str]]:
    locks = stock["armed_locks"]
    if not locks:
        return [("lock ready?", "bwm knows of no lock signed in advance: see bwm add-response")]
    ready = sum(lock["verdict"] == "ready" for lock in locks)
    summary = f"{'yes' if ready else 'NO'}: {ready} of {len(locks)} signed in advance would work today"
    return [("lock ready?", summary), *((lock["name"], _lock_in_words(lock)) for lock in locks)]


def _lock_in_words(lock: dict[str, Any]) -> str:
    return f"lock {lock['nonce']} at {lock['feerate']:g} sat/vB: {lock['verdict']}; {lock['reason']}"


def _coins_in_words(coins: dict[str, int] | None) -> str:
    if coins is None:
        return "not known: the node does not answer"
    if not coins["count"]:
        return "NONE: it cannot lock or unlock until it is paid"
    return f"{coins['count']}, together {coins['sats']:,} sat"


def _sight_in_words(stock: dict[str, Any]) -> str:
    if not stock["not_covered"]:
        return f"yes, it last looked at {stock['looked_at']}"
    return f"NO, so this is what it last knew: {'; '.join(stock['not_covered'])}"
