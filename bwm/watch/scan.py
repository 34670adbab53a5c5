"""The match: which triggers does a transaction touch? All facts come in as arguments, nothing is fetched."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bwm.chain.outpoint import txid_key
from bwm.chain.tx import Tx
from bwm.watch.triggers import KINDS, Kind
from bwm.watch.watch import Family, Match, WatchIndex

Found = Sequence[tuple[Tx, tuple[Match, ...]]]
"""Transactions that touch triggers, each with its matches, in the order of the chain."""


def scan(tx: Tx, index: WatchIndex) -> tuple[Match, ...]:
    """Every trigger that ``tx`` touches, once each, a kind at a time."""
    return _with_vault_sats([match for kind in KINDS.values() for match in _matches(kind, tx, index)])


def _with_vault_sats(matches: Sequence[Match]) -> tuple[Match, ...]:
    """The same; where several triggers of one vault are touched, each says what moves out of the vault in all.

    Who moves the coins chooses their order: one by one, each with a message of its own amount, much looks like little.
    """
    of_vault: dict[str, list[Match]] = {}
    for match in matches:
        if match.family is Family.TRIGGER and match.trigger.vault is not None:
            of_vault.setdefault(match.trigger.vault, []).append(match)
    totals = {vault: _sats_in_all(found) for vault, found in of_vault.items() if len(found) > 1}
    if not totals:
        return tuple(matches)
    return tuple(
        replace(match, detail={**match.detail, "vault_sats": totals[match.trigger.vault]})
        if match.family is Family.TRIGGER and match.trigger.vault in totals
        else match
        for match in matches
    )


def _sats_in_all(matches: Iterable[Match]) -> int:
    """Sat that leave the coins of all these triggers, a coin that several of them watch counted once; known ones."""
    coins = {watch.key: watch.sats for match in matches for watch in match.spent if watch.sats is not None}
    return max(sum(coins.values()), *(match.sats or 0 for match in matches))


def _matches(kind: Kind, tx: Tx, index: WatchIndex) -> tuple[Match, ...]:
    """What a kind says; where it fails, every trigger of the kind that the transaction touches is told at its gravest.

    A fault in one kind must neither lose the transaction nor hold up the block that it is in.
    """
    try:
        return tuple(kind.match(tx, index))
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a kind, the others and the owner go on
        keys = keys_of(tx)
        touched = {watch.trigger for watch in index if watch.key in keys and watch.trigger.kind == kind.NAME}
        reason = f"touches {{}}; a fault in bwm ({type(error).__name__}) kept it from reading how: look for yourself"
        return tuple(
            Match(trigger, tx.txid, Family.TRIGGER, None, reason.format(trigger.key))
            for trigger in sorted(touched, key=lambda trigger: trigger.id)
        )


def scan_all(txs: Sequence[Tx], index: WatchIndex) -> tuple[tuple[Tx, tuple[Match, ...]], ...]:
    """Every transaction that touches a trigger, with its matches, in the order given.

    A coin paid to us by one may be spent by another; ``txs`` may come in any order (a mempool has none), so
    the pass is repeated until it teaches nothing new.
    """
    while True:
        found = []
        learning = WatchIndex(index)
        for tx in txs:
            if matches := scan(tx, learning):
                found.append((tx, matches))
                learning.learn(matches)
        if len(learning) == len(index):
            return tuple(found)
        index = learning


def keys_of(tx: Tx) -> list[bytes]:
    """All keys under which a transaction can be watched: its id, the coins it spends, the scripts it pays."""
    return [txid_key(tx.txid), *(i.spends for i in tx.inputs), *(o.script for o in tx.outputs)]
