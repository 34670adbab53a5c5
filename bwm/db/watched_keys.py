"""The watched keys by themselves, without whose they are: raw, for there may be millions."""

from collections.abc import Iterator, Sequence

from bwm.db import raw


def last_trigger() -> int:
    """The highest trigger id. One that was given to a trigger which was removed since may be given again."""
    return int(raw.rows("SELECT COALESCE(MAX(id), 0) FROM trigger")[0][0])


def count() -> int:
    """How many keys are watched; one that is watched for several triggers counts as often."""
    return int(raw.rows("SELECT COUNT(*) FROM watch")[0][0])


def of_triggers_after(trigger_id: int) -> Iterator[bytes]:
    """The keys of all triggers with a higher id, one by one."""
    if trigger_id:
        sql = "SELECT watch.key FROM trigger JOIN watch ON watch.trigger_id = trigger.id WHERE trigger.id > ?"
        found = raw.run(sql, trigger_id)
    else:
        found = raw.run("SELECT key FROM watch")
    return (bytes(key) for (key,) in found)


def txids_after(trigger_id: int) -> frozenset[str] | None:
    """The triggers with a higher id, if all of them are txids whose coins are not known; else None."""
    others = """
        SELECT EXISTS (SELECT 1 FROM trigger JOIN watch ON watch.trigger_id = trigger.id
            WHERE trigger.id > ? AND what <> 'txid')
    """
    if raw.rows(others, trigger_id)[0][0]:
        return None
    found = raw.rows("SELECT key FROM trigger WHERE id > ? AND kind = 'txid'", trigger_id)
    return frozenset(txid for (txid,) in found)


def known(keys: Sequence[bytes]) -> set[bytes]:
    """Those of some keys that are watched."""
    found: set[bytes] = set()
    for part in raw.parts(keys):
        sql = f"SELECT key FROM watch WHERE key IN ({', '.join('?' * len(part))})"  # noqa: S608 (only marks)
        found.update(bytes(key) for (key,) in raw.run(sql, *part))
    return found


def any_txid_of_unknown_coins() -> bool:
    """Whether a transaction is watched of which the id is all that is known: only by that can it be found."""
    sql = """
        SELECT EXISTS (SELECT 1 FROM trigger WHERE kind = 'txid' AND NOT EXISTS (
            SELECT 1 FROM watch WHERE watch.trigger_id = trigger.id AND watch.what = 'coin'))
    """
    return bool(raw.rows(sql)[0][0])
