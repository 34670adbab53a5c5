"""A response taken on, or forgotten, whoever asks for it: the command line or the API. Each is one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bwm.chain.network import network as network_of
from bwm.clock import from_rfc3339
from bwm.config import Config
from bwm.daemon.armed_locks import judge, read_lock
from bwm.daemon.open_response import open_steps, sealer_of
from bwm.daemon.policy_desk import PolicyDesk, judged
from bwm.daemon.register_response import prepare, read_given
from bwm.daemon.registration import check_name
from bwm.daemon.targets import targets_of
from bwm.db import armed_locks, guardians, journal, responses, vaults
from bwm.db.commit import commit
from bwm.db.database import Database
from bwm.db.responses import StoredResponse
from bwm.errors import UsageError
from bwm.guardian.readiness import Readiness
from bwm.node.bitcoind import Bitcoind
from bwm.plan_response import plan_done
from bwm.response.deadline import Lock
from bwm.seal import KEY_FILE, Sealer
from bwm.toml import parse_duration

_UNIT_S = 512  # of relative locks by time (BIP 68)
_ENDLESS = 10**12  # blocks or seconds


class KeyMissing(UsageError):
    """The key that sealed the responses is not there, or another one: nothing can be added to them."""


@dataclass(frozen=True, slots=True)
class Text:
    """What somebody gave for a transaction: hexadecimal, or a PSBT in base64; ``name`` is what messages call it."""

    name: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Wish:
    """A response as a person asks for it. ``budget`` in sat."""

    vault: str
    name: str
    steps: Sequence[Text]
    children: Sequence[Text] = ()
    parents: Sequence[Text] = ()
    lock: Lock | None = None
    budget: int | None = None


def keep(config: Config, database: Database, node: Bitcoind, wish: Wish, now: int) -> tuple[StoredResponse, list[str]]:
    """Check a response and keep it, not armed; with it, what its owner should know.

    Raises UsageError for what speaks against it, KeyMissing, and NodeError. Call inside a database connection.
    """
    check_name(wish.name)
    vaults.find(wish.vault)
    responses.refuse_taken(wish.vault, wish.name)
    node.check_network(network_of(config.network))
    given, children, parents = (
        [read_given(node, one.name, one.text) for one in each] for each in (wish.steps, wish.children, wish.parents)
    )
    sealer, allowed = _sealer(config), config.responses.allow
    prepared = prepare(node, wish.vault, given, children, parents, allowed, wish.lock, sealer, config.network)
    with database.transaction():
        added = responses.add(
            wish.vault, wish.name, prepared.lock, wish.budget, prepared.steps, prepared.judgement, now
        )
        words = f"was added with {len(added.steps)} transactions"
        _journal(config, database, "response.added", added, words, now)
    return added, list(prepared.notes)


def forget(config: Config, database: Database, name: str, now: int, *, token: str | None = None) -> None:
    """Forget a response, by VAULT/NAME. ``token``: the name of the one that asks for it; it takes away none that is
    armed. None: this machine's operator.

    Raises UsageError when there is none, or it stays. Call inside a database connection.
    """
    with database.transaction():
        response = responses.find(name)
        if response.armed and token:
            raise UsageError(
                f"Response {name} is armed and stays. It is removed on bwm's own machine: bwm remove-response {name}"
            )
        responses.remove(response)
        words = f"was removed by token {token}" if token else "was removed"
        _journal(config, database, "response.removed", response, words, now)


def set_armed(config: Config, database: Database, name: str, now: int, *, armed: bool) -> tuple[StoredResponse, bool]:
    """Let policies send a response, or no more: how it was before, and whether that changed anything.

    Raises UsageError when there is none of this name. Call inside a database connection.
    """
    word = "armed" if armed else "disarmed"
    with database.transaction():
        response = responses.find(name)
        changed = responses.arm(response.id, armed=armed)
        if changed:
            _journal(config, database, f"response.{word}", response, f"was {word}", now)
    return response, changed


def _journal(config: Config, database: Database, kind: str, response: StoredResponse, words: str, now: int) -> None:
    reason = f"response {response.name} {words}"
    done = plan_done(kind, config.network, now, journal.last_seq(), reason, response.vault, response.name)
    desk = PolicyDesk(config.policies, config.network)
    commit(database, judged(desk, database, done, now), targets_of(config), now)


def keep_locks(
    database: Database, node: Bitcoind, guardian: str, raws: Sequence[bytes], now: int
) -> list[tuple[str, Readiness]]:
    """Watch over locks signed in advance: how each is named from now on, and how it stands.

    Raises UsageError for one that would not lock today, and NodeError. Call inside a database connection.
    """
    facts = guardians.facts(guardian, now)
    locks = [read_lock(node, raw, facts) for raw in raws]
    found = judge(node, [(guardian, lock) for lock in locks], now)
    for readiness in found:
        if readiness.verdict in ("void", "used"):
            raise UsageError(f"This would not lock: {readiness.reason}. Nothing was added.")
    with database.transaction():
        guardian_id = guardians.find(guardian).id
        return [
            (armed_locks.add(guardian_id, lock, readiness, now), readiness)
            for lock, readiness in zip(locks, found, strict=True)
        ]


def read_raw(one: Text) -> bytes:
    """The bytes of a lock transaction. Raises UsageError."""
    try:
        return bytes.fromhex(one.text.strip())
    except ValueError:
        raise UsageError(f"{one.name} holds no transaction in hexadecimal; nothing was added.") from None


def deadline(delay: str | None, until: str | None) -> Lock | None:
    """How long a thief must wait: ``delay`` in blocks or a duration, or ``until`` a height or a date; None: not said.

    Raises UsageError for anything else.
    """
    if delay and until:
        raise UsageError("Give a delay, or until when the thief must wait, not both.")
    try:
        if delay:
            if delay.isdecimal():
                return _positive(Lock("blocks", int(delay)))
            return _positive(Lock("seconds", parse_duration(delay) // _UNIT_S * _UNIT_S))
        if until:
            return _positive(Lock("height", int(until)) if until.isdecimal() else Lock("time", from_rfc3339(until)))
    except ValueError:
        raise UsageError(
            "Write the delay as blocks (144) or a duration (2d), and until when as a height or a date (2027-01-31)."
        ) from None
    return None


def _positive(lock: Lock) -> Lock:
    if not 0 < lock.amount < _ENDLESS:
        raise ValueError
    return lock


def _sealer(config: Config) -> Sealer:
    """The key that all responses are sealed with; a new one only for the very first. Raises KeyMissing."""
    kept = responses.every()
    sealer = sealer_of(config, make=not kept)
    if sealer is None or (kept and not open_steps(sealer, config.network, kept[0])):
        raise KeyMissing(
            f"The key that sealed response {kept[0].name} is missing or another one; nothing was added. Bring "
            f"{KEY_FILE} back into {config.state_dir}, or remove the responses that cannot be opened any more."
        )
    return sealer
