"""A vault forgotten by a caller of the API, and everybody told: who could do it silently could steal so."""

from bwm.config import Config
from bwm.daemon.targets import to_everybody
from bwm.db import journal, vaults
from bwm.db.commit import commit
from bwm.db.database import Database
from bwm.event import Event, fact_key
from bwm.plan import AlertChange, Changes, case_of
from bwm.severity import Severity

REMOVED = "vault.removed"


def forget_vault(config: Config, database: Database, name: str, token: str, now: int) -> None:
    """Stop watching a vault. ``token``: the name of the one that wants it.

    Raises UsageError when there is none, or a response of it is on its way. Call inside a transaction.
    """
    vaults.remove(name)
    last = journal.last_seq()
    event = Event(
        key=fact_key(config.network, REMOVED, name, now, last),
        kind=REMOVED,
        at=now,
        network=config.network,
        reason=f"token {token} removed vault {name}: nothing that happens to its coins is told any more",
        vault=name,
        detail={"token": token, "case": f"removed/{last}"},
    )
    told = AlertChange(case_of(event), event, Severity.HIGH, resolves=Severity.HIGH)
    commit(database, Changes(events=(event,), alerts=(told,)), to_everybody(config), now)
