"""Where every step passes before it is written: facts are read for the policies, and the pure rules decide."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import structlog

from bwm.chain.tx import Tx
from bwm.db import announcements, blindness, cursor, decisions, journal, sightings, watches
from bwm.db.database import Database
from bwm.errors import DatabaseUnwritable
from bwm.event import Event
from bwm.plan import AlertChange, Changes, case_of
from bwm.plan_policies import PolicyFacts, VaultSpend, plan_policies
from bwm.policy.announcement import Spend
from bwm.policy.judge import faulty
from bwm.policy.reach import concerned, limit_s, looks_around, window_s
from bwm.policy.rule import Policy
from bwm.severity import Severity
from bwm.watch.watch import Watch, What

log = structlog.get_logger()

_FEW = 100  # vaults and guardians whose past is read by their names


class PolicyDesk:
    """Holds the policies of this daemon."""

    def __init__(self, policies: Sequence[Policy], network: str) -> None:
        self.policies = tuple(policies)
        self._network = network

    def judge(self, changes: Changes, now: int) -> Changes:
        """The step as policies and announcements make it. Reads the database, writes nothing."""
        kinds = {event.kind for event in changes.events}
        policies = concerned(self.policies, kinds)
        spends = [event for event in changes.events if event.kind.startswith("trigger.") and event.vault]
        announced = announcements.of_vaults(_vaults(spends), _txids(spends), now) if spends else ()
        if not policies and not announced:
            return changes
        reach_s, bound_s = window_s(policies), limit_s(policies)
        names = _vaults(changes.events)
        tip = changes.cursor.to.height if changes.cursor else at.height if (at := cursor.at()) else 0
        facts = PolicyFacts(
            network=self._network,
            tip_height=tip,
            vaults=watches.vault_facts(names),
            tags=watches.tags_of(names),
            spends=spends_of(spends, changes, [one.met_by for one in announced if one.met_by]),
            announcements=announced,
            history=journal.lately(now - reach_s, _owners(changes.events, policies)) if reach_s else (),
            acted=decisions.acted_since(now - bound_s) if bound_s else {},
            blind=blindness.is_blind(),
        )
        return plan_policies(changes, policies, facts, now)


def judged(desk: PolicyDesk, database: Database, changes: Changes, now: int) -> Changes:
    """As policies have it. A fault in them neither loses the step nor holds it up: it is told, beside bwm's own alerts.

    Raises DatabaseUnwritable.
    """
    if not changes.events:
        return changes
    try:
        with database.passing_trouble():
            return desk.judge(changes, now)
    except DatabaseUnwritable:
        raise
    except Exception as error:
        log.exception("policy.fault", words="alerts leave as bwm has them by itself")
        fault = faulty(type(error).__name__, database.network, now)
        told = AlertChange(case_of(fault), fault, Severity.HIGH)
        return replace(changes, events=(*changes.events, fault), alerts=(*changes.alerts, told))


def _vaults(events: Iterable[Event]) -> list[str]:
    return sorted({event.vault for event in events if event.vault})


def _owners(events: Sequence[Event], policies: Iterable[Policy]) -> set[str] | None:
    """Of whose past policies must know; None: everybody's. What others journal by the thousand is then passed over."""
    owners = {event.vault or event.guardian for event in events}
    if None in owners or len(owners) > _FEW or looks_around(policies):
        return None
    return {owner for owner in owners if owner}


def _txids(events: Iterable[Event]) -> list[str]:
    return sorted({event.txid for event in events if event.txid})


def spends_of(
    events: Sequence[Event], changes: Changes, before: Iterable[str] = ()
) -> Mapping[tuple[str, str], VaultSpend]:
    """What each transaction does to each vault that it touches. ``before``: earlier ones to compare them with."""
    wanted = {*_txids(events), *before}
    fresh = {tx.txid: tx for tx in changes.transactions}
    txs = {**sightings.transactions(wanted - fresh.keys()), **fresh}
    keys = [key for tx in txs.values() for key in (*_coins(tx), *(output.script for output in tx.outputs))]
    of_vault: dict[str, list[Watch]] = {vault: [] for vault in _vaults(events)}
    for watch in (*watches.by_keys(keys), *changes.watches) if keys else ():
        if watch.trigger.vault in of_vault:
            of_vault[watch.trigger.vault].append(watch)
    return {(vault, txid): vault_spend(tx, own) for vault, own in of_vault.items() for txid, tx in txs.items()}


def vault_spend(tx: Tx, watched: Iterable[Watch]) -> VaultSpend:
    """A transaction, and what of it is the vault's. ``watched``: the vault's own keys among others."""
    coins: dict[bytes, int | None] = {}
    inputs, scripts = frozenset(_coins(tx)), {output.script for output in tx.outputs}
    own = set()
    for watch in watched:
        if watch.what is What.COIN and watch.key in inputs:
            coins[watch.key] = coins.get(watch.key) if watch.sats is None else watch.sats
        elif watch.what is What.SCRIPT and watch.key in scripts:
            own.add(watch.key)
    amounts = list(coins.values())
    spent = None if not amounts or None in amounts else sum(sats or 0 for sats in amounts)
    outputs = tuple((output.script, output.sats) for output in tx.outputs)
    return VaultSpend(Spend(tx.txid, outputs, spent, inputs), frozenset(own))


def _coins(tx: Tx) -> list[bytes]:
    return [item.spends for item in tx.inputs]
