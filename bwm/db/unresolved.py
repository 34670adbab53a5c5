"""Transactions that may speak for a guardian and could not be read yet: they are read again until they can be."""

from collections.abc import Collection, Iterable

from bwm.chain.tx import parse_tx
from bwm.db.schema import Unresolved
from bwm.plan_guardian import Unresolved as UnresolvedNoun


def waiting() -> tuple[UnresolvedNoun, ...]:
    """All that wait, the oldest first."""
    rows = Unresolved.select().order_by(Unresolved.first_seen_at, Unresolved.txid)
    return tuple(UnresolvedNoun(parse_tx(bytes(row.data)), row.first_seen_at, bool(row.told)) for row in rows)


def put(changes: Iterable[UnresolvedNoun]) -> None:
    """Keep new ones, or that they were told of. Call inside a transaction."""
    for one in changes:
        Unresolved.insert(
            txid=one.tx.txid, data=one.tx.raw, first_seen_at=one.first_seen_at, told=int(one.told)
        ).on_conflict(conflict_target=[Unresolved.txid], update={Unresolved.told: int(one.told)}).execute()


def settle(txids: Collection[str]) -> None:
    """Forget these: they were read, or they are gone for good. Call inside a transaction."""
    if txids:
        Unresolved.delete().where(Unresolved.txid.in_(list(txids))).execute()
