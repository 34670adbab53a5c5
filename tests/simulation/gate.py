"""On the line to the node: whatever bwm sends must be covered by a decision on disk, and hindered by nobody."""

from collections.abc import Callable
from types import SimpleNamespace

from tests.simulation.operator import Kept, Operator
from tests.simulation.rules import ASKED, UNLESS
from tests.simulation.tower import Tower
from tests.simulation.wire import SimTx
from tests.simulation.world import World

_COVER = """
    SELECT b.position, d.id AS decision, d.policy, d.vault, e.txid AS trigger_txid
    FROM broadcast b JOIN outbox o ON b.order_id = o.id JOIN decision d ON o.decision_id = d.id
    LEFT JOIN event e ON d.event_id = e.seq
    JOIN response r ON b.response_id = r.id JOIN vault v ON r.vault_id = v.id
    WHERE v.name = ? AND b.state NOT IN ('buried', 'lost', 'called_off')
"""
_MOVED = """
    SELECT s.txid FROM sighting s JOIN trigger t ON s.trigger_id = t.id JOIN vault v ON t.vault_id = v.id
    WHERE v.name = ? AND s.family = 'trigger'
"""
_ANSWERED = "SELECT \"case\" FROM alert WHERE state = 'acknowledged'"


class Gate:
    """Notes how things stood when a turn began: what changes in the midst of it, the turn may not know yet."""

    def __init__(self, world: World, tower: Tower, operator: Operator, complain: Callable[[str, str], None]) -> None:
        self._world, self._tower, self._operator, self._complain = world, tower, operator, complain
        self._standing: set[str] = set()
        self._answered: set[str] = set()

    def note(self) -> None:
        """A turn of who sends responses begins."""
        if self._operator.kept:
            self._standing = self._there()
            self._answered = {case for (case,) in self._tower.database.rows(_ANSWERED)}

    def _there(self) -> set[str]:
        return {*self._world.ledger.mempool, *self._world.ledger.places}

    def sent(self, tx: SimTx) -> None:
        """A transaction is handed to the node."""
        operator = self._operator
        operator.counts["response sent"] += 1
        kept = operator.of_step(tx)
        if kept is None:
            self._complain("unauthorised", f"{tx.txid[:12]} is no step of a response")
            return
        for words in self._speaks_against(kept, tx):
            self._complain("unauthorised", f"{kept.name} was sent, and {words}")

    def _speaks_against(self, kept: Kept, tx: SimTx) -> list[str]:
        weather, operator = self._tower.node.weather, self._operator
        covers = [cover for cover in self._covers(kept) if not self._is_barred(cover)]
        fee = kept.ladder.fees[kept.ladder.steps.index(tx)]
        held_back = {
            "no decision on disk covers it": not covers,
            "the decision was not committed": self._tower.database.sqlite.in_transaction(),
            "another network's node got it": weather.is_foreign,
            "the node is still fetching its chain": weather.is_syncing,
            "everything is on hold": operator.is_holding,
            "it is not armed": not kept.armed and not any(cover.policy == "operator" for cover in covers),
            f"it pays {fee} of at most {kept.limit} sat": fee > kept.limit,
        }
        return [words for words, holds in held_back.items() if holds]

    def _covers(self, kept: Kept) -> list[SimpleNamespace]:
        names = ("position", "decision", "policy", "vault", "trigger_txid")
        rows = self._tower.database.rows(_COVER, kept.vault)
        return [SimpleNamespace(**dict(zip(names, row, strict=True))) for row in rows]

    def _is_barred(self, cover: SimpleNamespace) -> bool:
        """Whether a decision, by what people said to it and by what has become of its reason, covers nothing now."""
        if cover.policy == "operator":
            return False
        if not self._stands(cover):
            return True
        if cover.position is not None:
            return False  # it was sent before: what called it off then, would do so no more
        operator = self._operator
        case = f"vault/{cover.vault}/{cover.trigger_txid}"
        return (
            cover.decision in operator.called_off
            or (cover.policy == ASKED and cover.decision not in operator.approved)
            or (cover.policy == UNLESS and case in self._answered)
        )

    def _stands(self, cover: SimpleNamespace) -> bool:
        """Whether what it answers to, or another move of the vault's coins, was in mempool or chain in this turn."""
        moves = {txid for (txid,) in self._tower.database.rows(_MOVED, cover.vault)} | {cover.trigger_txid}
        steps = self._operator.kept[cover.vault].ladder.steps
        coins = {coin for step in steps for coin in step.spends}
        if trigger := self._world.ledger.txs.get(cover.trigger_txid):
            coins |= set(trigger.spends)  # who takes these now does what it did
        rivals = {tx.txid for tx in self._world.ledger.txs.values() if not coins.isdisjoint(tx.spends)}
        return not ((moves | rivals) - {step.txid for step in steps}).isdisjoint(self._standing | self._there())
