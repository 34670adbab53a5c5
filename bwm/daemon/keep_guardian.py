"""A guardian taken on, or forgotten, whoever asks for it: the command line or the API. Each is one transaction."""

from collections.abc import Callable, Sequence

from bwm.chain.network import network as network_of
from bwm.config import Config
from bwm.daemon.register_guardian import Prepared, Wish, look_up
from bwm.daemon.registration import check_name
from bwm.daemon.targets import to_everybody
from bwm.db import guardians, protection, vaults
from bwm.db.alerts import Target
from bwm.db.commit import commit
from bwm.db.database import Database
from bwm.db.guardians import Sees, everything
from bwm.errors import UsageError
from bwm.guardian.notice import Notice, notice
from bwm.guardian.registration import refusal_to_remove
from bwm.node.bitcoind import Bitcoind
from bwm.plan import plan_operation
from bwm.plan_guardian import of_operation
from bwm.severity import Severity


def keep(
    config: Config,
    database: Database,
    node: Bitcoind,
    wish: Wish,
    protected: tuple[Sequence[str], Sequence[str]],
    now: int,
    on_progress: Callable[[float], None] = lambda percent: None,
    sees: Sees = everything,
) -> Prepared:
    """Look a guardian up and watch it from now on. ``protected``: the names of vaults, and tags.

    ``sees``: what is known to whoever asks.

    Raises UsageError where it must not be taken on, and NodeError. Call inside a database connection.
    """
    names, tags = protected
    network = network_of(config.network)
    check_name(wish.name)
    for vault in names:
        vaults.find(vault)
    node.check_network(network)
    prepared = look_up(wish, network, node, now, on_progress)
    new = prepared.guardian
    words = f"watched from now on: {new.state}. {new.state.reason}"
    told = Notice("guardian.added", "critical" if new.state.state == "locked" else "info", words, None)
    with database.transaction():
        guardian_id = guardians.add(new, now, sees)
        protection.protect(guardian_id, names, tags)
        _journal(database, config, wish.name, new.address, told, now)
    return prepared


def forget(config: Config, database: Database, name: str, now: int, *, retire_locked: bool = False) -> None:
    """Stop watching a guardian, and tell everybody; one that is locked only with ``retire_locked``.

    Raises UsageError when there is none, or it stays. Call inside a database connection.
    """
    with database.transaction():
        facts = guardians.facts(name, now)
        refusal = refusal_to_remove(facts.state)
        if refusal and not retire_locked:
            raise UsageError(f"Guardian {name!r} was not removed: {refusal}")
        guardians.remove(name)
        if refusal:
            words = f"retired by the operator while {facts.state}: nobody is told of its locks any more"
            told = notice("guardian.retired", words, None)
        else:
            told = notice("guardian.removed", "removed by the operator", None)
        _journal(database, config, name, facts.address, told, now, to_all=True)


def _journal(
    database: Database, config: Config, name: str, address: str, told: Notice, now: int, *, to_all: bool = False
) -> None:
    """Write down what was done with a guardian, and tell who must know; ``to_all``: whatever they care to hear."""
    event = of_operation(name, address, told, config.network, now)
    severity = Severity(told.severity)
    targets = to_everybody(config) if to_all else [Target(one.name, one.min_severity) for one in config.channels]
    commit(database, plan_operation(event, None if severity is Severity.INFO else severity), targets, now)
