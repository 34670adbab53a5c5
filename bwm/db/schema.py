"""Every table on one page. Times are unix seconds UTC, amounts sat, hashes in display order unless called key.

Keys that are matched against the chain are stored as the bytes that stand in a serialised transaction: a txid's 32,
an outpoint's 36, a scriptPubKey's own.
"""

from collections.abc import Iterable
from typing import get_args

from peewee import (
    SQL,
    AutoField,
    BigIntegerField,
    BlobField,
    Check,
    CompositeKey,
    DatabaseProxy,
    ForeignKeyField,
    IntegerField,
    Model,
    TextField,
)

from bwm.guardian.readiness import Verdict
from bwm.order import State
from bwm.policy import announcement
from bwm.response.broadcast import State as BroadcastState
from bwm.response.readiness import Verdict as ResponseVerdict
from bwm.severity import Severity
from bwm.watch.sighting import Status
from bwm.watch.watch import Family, What

proxy = DatabaseProxy()


def _one_of(column: str, values: Iterable[str]) -> SQL:
    """Not by IN, for which SQLite makes a small table for each row that is written."""
    return SQL(f"CHECK ({' OR '.join(f'{column} = {str(value)!r}' for value in values)})")


class Base(Model):
    class Meta:
        database = proxy
        legacy_table_names = False


class Setting(Base):
    """One fact about the whole database: its network, the generation of its watch list, ..."""

    name = TextField(primary_key=True)
    value = TextField()


class Block(Base):
    """The cursor: the blocks of the active chain as bwm has processed it; the highest is where it stands."""

    height = IntegerField(primary_key=True)
    hash = TextField()


class Vault(Base):
    """A named set of triggers."""

    id = AutoField()
    name = TextField(unique=True)
    severity = TextField(constraints=[_one_of("severity", Severity)])  # of a spend
    final_depth = IntegerField(constraints=[Check("final_depth > 0")])  # blocks
    birthday = IntegerField(null=True)  # height before which it cannot have been touched; null: from registration
    covered_from = IntegerField(null=True)  # height from which on every block was read for it; null: not yet any
    tags = TextField(default="[]")  # JSON list of texts
    created_at = BigIntegerField()
    created_height = IntegerField(null=True)  # the node's tip when it was registered


class Guardian(Base):
    """A Guardian Address and the lock state that its signals add up to."""

    id = AutoField()
    name = TextField(unique=True)
    address = TextField(index=True)  # several owners may watch the same one
    script = BlobField()
    unlock_confirmations = IntegerField()  # blocks
    unlock_delay_s = IntegerField(default=0)  # seconds
    state = TextField(constraints=[Check("state IN ('uninstantiated', 'unlocked', 'locked')")])
    nonce = BigIntegerField(null=True)
    since = BigIntegerField(null=True)
    place = TextField(null=True)  # of the deciding signal: chain, mempool, gone
    txid = TextField(null=True)  # of the deciding signal
    reason = TextField()
    pending = TextField(default="[]")  # JSON: the unlocks that would take effect, the nearest first
    tags = TextField(default="[]")  # JSON list of texts: it protects every vault that has one of them
    created_at = BigIntegerField()
    created_height = IntegerField(null=True)
    covered_from = IntegerField(null=True)


class Protection(Base):
    """A guardian protects a vault by name; by tag it protects others besides."""

    guardian = ForeignKeyField(Guardian, on_delete="CASCADE")
    vault = ForeignKeyField(Vault, on_delete="CASCADE")

    class Meta:
        primary_key = CompositeKey("guardian", "vault")


class ArmedLock(Base):
    """What is known of a lock transaction signed in advance. Never the transaction: whoever holds it can lock."""

    id = AutoField()
    guardian = ForeignKeyField(Guardian, backref="armed_locks", on_delete="CASCADE")
    coin = BlobField()  # the outpoint that it spends
    nonce = BigIntegerField(constraints=[Check("nonce BETWEEN 1 AND 4294967295")])
    feerate = BigIntegerField(constraints=[Check("feerate > 0")])  # sat/kvB
    verdict = TextField(constraints=[_one_of("verdict", get_args(Verdict))])
    reason = TextField()
    checked_at = BigIntegerField()

    class Meta:
        indexes = ((("guardian", "coin", "nonce", "feerate"), True),)


class Trigger(Base):
    """One thing watched for a vault or a guardian. ``key`` as people read it."""

    id = AutoField()
    vault = ForeignKeyField(Vault, null=True, backref="triggers", on_delete="CASCADE", index=False)
    guardian = ForeignKeyField(Guardian, null=True, backref="triggers", on_delete="CASCADE", index=False)
    kind = TextField()
    key = TextField()
    created_at = BigIntegerField()

    class Meta:
        constraints = (SQL("CHECK ((vault_id IS NULL) <> (guardian_id IS NULL))"),)


for owner in (Trigger.vault, Trigger.guardian):  # without the rows that have none: a million triggers feel the room
    Trigger.add_index(owner, Trigger.kind, Trigger.key, unique=True, where=owner.is_null(False))


class Watch(Base):
    """One key that a trigger comes down to."""

    key = BlobField()
    what = TextField(constraints=[_one_of("what", What)])
    trigger = ForeignKeyField(Trigger, on_delete="CASCADE")
    sats = BigIntegerField(null=True)  # of a coin
    branch = IntegerField(null=True)  # of a descriptor's script: which of its paths ...
    position = IntegerField(null=True)  # ... and the index on it

    class Meta:
        primary_key = CompositeKey("key", "what", "trigger")
        without_rowid = True


class Transaction(Base):
    """The bytes of every transaction that was sighted."""

    txid = TextField(primary_key=True)
    data = BlobField()


class Sighting(Base):
    """One (trigger, transaction) and where it stands."""

    id = AutoField()
    trigger = ForeignKeyField(Trigger, backref="sightings", on_delete="CASCADE")
    txid = TextField(index=True)
    family = TextField(constraints=[_one_of("family", Family)])
    status = TextField(index=True, constraints=[_one_of("status", Status)])
    sats = BigIntegerField(null=True)
    height = IntegerField(null=True)  # of its block; when conflicted, of its rival's
    block_hash = TextField(null=True)
    revision = IntegerField()
    reason = TextField()
    detail = TextField(default="{}")  # JSON
    first_seen_at = BigIntegerField(index=True)

    class Meta:
        indexes = ((("trigger", "txid"), True),)
        constraints = (SQL("CHECK ((height IS NULL) = (block_hash IS NULL))"),)


class Signal(Base):
    """One lock or unlock that a guardian's own transaction carried."""

    id = AutoField()
    guardian = ForeignKeyField(Guardian, backref="signals", on_delete="CASCADE")
    txid = TextField()
    is_lock = IntegerField(constraints=[Check("is_lock IN (0, 1)")])
    nonce = BigIntegerField(constraints=[Check("nonce BETWEEN 0 AND 4294967295")])
    counted = IntegerField(constraints=[Check("counted IN (0, 1)")])  # 0: signed, and yet without effect
    first_seen_at = BigIntegerField()
    height = IntegerField(null=True)
    confirmed_at = BigIntegerField(null=True)
    vanished = IntegerField(constraints=[Check("vanished IN (0, 1)")])
    final_at = BigIntegerField(null=True)  # of an unlock; once set, set for ever

    class Meta:
        indexes = ((("guardian", "txid", "is_lock", "nonce"), True),)


class Unresolved(Base):
    """A transaction that may speak for a guardian, of whose coins the node could not tell yet."""

    txid = TextField(primary_key=True)
    data = BlobField()
    first_seen_at = BigIntegerField()
    told = IntegerField(constraints=[Check("told IN (0, 1)")])  # that a lock may be waiting


class Event(Base):
    """The journal. Rows are added, never changed."""

    seq = AutoField()
    key = TextField(unique=True)
    kind = TextField(index=True)
    at = BigIntegerField(index=True)
    network = TextField()
    vault = TextField(null=True)
    guardian = TextField(null=True)
    trigger_kind = TextField(null=True)
    trigger_key = TextField(null=True)
    txid = TextField(null=True, index=True)
    height = IntegerField(null=True)
    block_hash = TextField(null=True)
    sats = BigIntegerField(null=True)
    detail = TextField(default="{}")  # JSON
    reason = TextField()


class Alert(Base):
    """What a person is told: one case, however many events it has."""

    id = TextField(primary_key=True)  # short, made from its first event's key; the same on every repeat
    case = TextField(unique=True)
    event = ForeignKeyField(Event, field="seq", backref="+")  # the gravest of its events, which it is about
    last_event = ForeignKeyField(Event, field="seq", backref="+")
    severity = TextField(constraints=[_one_of("severity", Severity)])
    state = TextField(index=True, constraints=[Check("state IN ('open', 'acknowledged', 'resolved')")])
    revision = IntegerField(default=0)  # counts its updates
    created_at = BigIntegerField()
    acknowledged_at = BigIntegerField(null=True)
    acknowledged_by = TextField(null=True)
    since = BigIntegerField()  # when it began to call for an answer: opened, turned graver, taken up again
    since_revision = IntegerField(default=0)  # its revision then: to have read less is not to have read it
    round = IntegerField(default=0)  # counts how often it was taken up again: codes of earlier rounds are void
    snoozed_s = IntegerField(default=0)  # seconds; not 0: a person put it off until ``since``
    under_duress = IntegerField(default=0, constraints=[Check("under_duress IN (0, 1)")])  # its answer was forced
    people = TextField(default="[]")  # JSON list of names: who hears it first; empty: as configured
    repeat_every_s = IntegerField(null=True)  # seconds; null: as its severity has it
    escalation = TextField(default="[]")  # JSON list of [people, seconds]; empty: as configured
    hidden_from = TextField(null=True)  # a person who may be watched by a robber: told to all others, and not listed

    @property
    def is_answered(self) -> bool:
        """Whether a person who was free to do so has acknowledged it."""
        return bool(self.state == "acknowledged" and not self.under_duress)


class Decision(Base):
    """What a policy made of an event, and why."""

    id = AutoField()
    policy = TextField(index=True)
    version = TextField()
    event = ForeignKeyField(Event, field="seq", null=True, backref="+")  # null: a person decided by hand
    vault = TextField(null=True)
    facts = TextField(default="{}")  # JSON: what was looked at
    reason = TextField()
    decided_at = BigIntegerField(index=True)

    class Meta:
        indexes = ((("policy", "version", "event"), True),)


class Order(Base):
    """The outbox: one action on one target. For an alert: one channel, with all its attempts."""

    id = AutoField()
    action = TextField()
    target = TextField()
    alert = ForeignKeyField(Alert, null=True, backref="orders", on_delete="CASCADE")
    decision = ForeignKeyField(Decision, null=True, backref="orders")  # of every action but the alert
    step = IntegerField(null=True)  # the place of the order among the policy's steps
    arguments = TextField(default="{}")  # JSON: what the action needs besides
    guard = TextField(null=True)  # JSON: what is looked at again in the moment of the deed
    state = TextField(constraints=[_one_of("state", State)])
    due_at = BigIntegerField(null=True)  # null: nothing to do until something changes
    attempts = IntegerField(default=0)  # also the fence: only the claimer of this attempt may report on it
    lease_until = BigIntegerField(null=True)
    told_revision = IntegerField(null=True)  # the alert's revision that was last delivered, or acknowledged
    rung = IntegerField(default=0)  # of an alert's escalation: 0 hears it first
    after_s = IntegerField(default=0)  # seconds: after the alert's ``since`` this rung hears it; a deed's delay
    held = IntegerField(default=0, constraints=[Check("held IN (0, 1)")])  # kept back by a silence or quiet hours
    muted = IntegerField(default=0, constraints=[Check("muted IN (0, 1)")])  # its reader answered: only news is told
    rank = IntegerField(default=0)  # how grave its alert is: the gravest goes first
    may_repeat = IntegerField(default=0)  # an earlier attempt may have got through
    last_error = TextField(null=True)
    done_at = BigIntegerField(null=True)

    class Meta:
        table_name = "outbox"
        indexes = (
            (("action", "target", "alert"), True),
            (("decision", "step"), True),
            (("state", "due_at"), False),
            (("target", "rank", "due_at"), False),
        )


class Announcement(Base):
    """A spend that the owner said will come, used up by the first transaction that keeps to it."""

    id = AutoField()
    vault = ForeignKeyField(Vault, backref="announcements", on_delete="CASCADE")
    txid = TextField(null=True)  # of the spend; null: known by where it pays
    destinations = TextField(default="[]")  # JSON list of [address, scriptPubKey in hexadecimal, sat at most]
    max_fee = BigIntegerField(constraints=[Check("max_fee >= 0")])  # sat; of a spend known by where it pays
    begins_at = BigIntegerField()
    ends_at = BigIntegerField(constraints=[Check("ends_at > begins_at")])
    state = TextField(index=True, constraints=[_one_of("state", announcement.State)])
    met_by = TextField(null=True)  # the txid that used it up
    signed_by = TextField(null=True)  # name of the key, where it was signed
    nonce = TextField(unique=True)  # of its text: what was signed once counts once
    created_at = BigIntegerField()


class Silence(Base):
    """A time in which what can wait is kept back: maintenance, or peace. A theft is never kept back."""

    id = AutoField()
    began_at = BigIntegerField()
    ends_at = BigIntegerField()
    kinds = TextField()  # JSON list of patterns of event kinds, like node.*
    owners = TextField(default="[]")  # JSON list of patterns of vaults' and guardians' names; empty: of whatever
    reason = TextField()
    made_by = TextField()


class Response(Base):
    """Transactions signed in advance that move a vault's coins to safety: one, or a ladder of fees."""

    id = AutoField()
    vault = ForeignKeyField(Vault, backref="responses", on_delete="CASCADE")
    name = TextField()
    armed = IntegerField(default=0, constraints=[Check("armed IN (0, 1)")])  # 1: policies may send it
    lock = TextField(null=True)  # on the thief's path, e.g. blocks:144; null: not known
    budget = BigIntegerField(null=True, constraints=[Check("budget > 0")])  # sat of fee at most; null: the ladder's
    verdict = TextField(constraints=[_one_of("verdict", ResponseVerdict)])
    reason = TextField()
    checked_at = BigIntegerField()
    created_at = BigIntegerField()

    class Meta:
        indexes = ((("vault", "name"), True),)


class ResponseStep(Base):
    """One transaction of the ladder. Its bytes are sealed: whoever has them can send it."""

    id = AutoField()
    response = ForeignKeyField(Response, backref="steps", on_delete="CASCADE")
    position = IntegerField()  # from 0, the cheapest
    txid = TextField()
    feerate = BigIntegerField(null=True)  # sat/kvB, with its child; null: its coins are not known yet
    fee = BigIntegerField(null=True)  # sat, with its child
    flags = TextField()  # of its signatures, e.g. ALL
    coins = TextField()  # JSON: of each outpoint that it spends the sat and the scriptPubKey, as far as known
    child_txid = TextField(null=True)
    sealed = BlobField()

    class Meta:
        indexes = ((("response", "position"), True), (("response", "txid"), True))


class Broadcast(Base):
    """A response that was decided on, until it is buried. Made in the transaction that takes its order."""

    id = IntegerField(primary_key=True)  # its order's: of a row that is no more, SQLite gives the number to another
    order = ForeignKeyField(Order, unique=True, on_delete="RESTRICT")
    response = ForeignKeyField(Response, backref="broadcasts", on_delete="CASCADE")
    trigger_txid = TextField(null=True)  # what was decided upon; null: a person's word
    state = TextField(index=True, constraints=[_one_of("state", BroadcastState)])
    cause = TextField()  # a word: with the state, what is told once
    reason = TextField()
    position = IntegerField(null=True)  # of the step that was sent last
    sent_height = IntegerField(null=True)  # of the tip when it was sent
    height = IntegerField(null=True)  # of the block that holds it, or its rival
    block_hash = TextField(null=True)
    rival = TextField(null=True)  # txid
    revision = IntegerField(default=0)
    scanned_height = IntegerField()  # blocks up to this one were searched for it and its rivals
    scanned_hash = TextField()
    created_at = BigIntegerField()


class Blindness(Base):
    """A time in which triggers could pass unseen. What was mined meanwhile was found afterwards."""

    id = AutoField()
    began_at = BigIntegerField(unique=True)
    ended_at = BigIntegerField(null=True)  # null: still blind
    words = TextField()


class Backlog(Base):
    """Blocks of the past that are still to be read for a vault or guardian that was added late."""

    id = AutoField()
    vault = ForeignKeyField(Vault, null=True, unique=True, on_delete="CASCADE")
    guardian = ForeignKeyField(Guardian, null=True, unique=True, on_delete="CASCADE")
    next_height = IntegerField(index=True)
    gap_until = IntegerField(null=True)  # the highest block that the node did not hold any more
    known_height = IntegerField(null=True)  # the block as of which the newcomer was looked up
    known_hash = TextField(null=True)
    until_height = IntegerField(null=True)  # null: the daemon has not taken it up; then where the cursor stood


class RewindVault(Base):
    """A vault that a RewindBitcoin wallet registered, by the network and the id that the wallet knows it by."""

    id = AutoField()
    network = TextField()  # as it stands in the wallet's address: bitcoin, testnet, tape, regtest
    wallet_id = TextField()  # its vaultId
    vault = ForeignKeyField(Vault, unique=True, on_delete="CASCADE")
    incident = IntegerField(default=0)  # counts the times that triggers appeared
    gone_since = BigIntegerField(null=True)  # since when none of them is seen; null: one is, or none ever was
    unchecked = IntegerField(default=1)  # registrations since the node was asked what it knows of the triggers
    stale = IntegerField(default=0, constraints=[Check("stale IN (0, 1)")])  # what its devices must hear may differ
    commitment = TextField(null=True)  # txid of the transaction that funded it
    created_at = BigIntegerField()

    class Meta:
        indexes = ((("network", "wallet_id"), True), (("network", "commitment"), True))


# Asked twice a second, and nearly always for nothing, whatever the number of vaults.
RewindVault.add_index(RewindVault.id, where=SQL("stale = 1"), name="rewind_vault_stale")
RewindVault.add_index(RewindVault.id, where=SQL("unchecked > 0"), name="rewind_vault_unchecked")


class RewindDevice(Base):
    """A telephone that wants to hear of a vault, and what it calls it. Its push token is a secret."""

    id = AutoField()
    rewind_vault = ForeignKeyField(RewindVault, backref="devices", on_delete="CASCADE")
    token_hash = TextField(index=True)  # hexadecimal SHA-256
    token = BlobField()  # sealed
    wallet_uuid = TextField()
    wallet_name = TextField()
    vault_number = BigIntegerField()
    watchtower_id = TextField()
    locale = TextField()
    acknowledged_incident = IntegerField(null=True)
    acknowledged_ahead_at = BigIntegerField(null=True)  # before there was anything to acknowledge
    retired_at = BigIntegerField(null=True)  # the push service knows it no more
    created_at = BigIntegerField()

    class Meta:
        indexes = ((("rewind_vault", "token_hash"), True),)


class RewindPush(Base):
    """One trigger that is seen now, as one device is told of it."""

    id = AutoField()
    device = ForeignKeyField(RewindDevice, backref="pushes", on_delete="CASCADE")
    txid = TextField()
    detected_at = BigIntegerField()
    first_at = BigIntegerField(null=True)  # when the push service first took it
    last_at = BigIntegerField(null=True)
    accepted = IntegerField(default=0)  # how often the push service took it
    failures = IntegerField(default=0)  # since it last did
    due_at = BigIntegerField(null=True, index=True)  # null: nothing to do until something changes
    lease_until = BigIntegerField(null=True)
    last_error = TextField(null=True)
    ticket = TextField(null=True)  # by which the push service tells what became of the latest one
    receipt_at = BigIntegerField(null=True, index=True)  # when to ask for that

    class Meta:
        indexes = ((("device", "txid"), True),)


class Token(Base):
    """What lets a program call the API. Of its secret only the hash is kept."""

    id = TextField(primary_key=True)  # stands in the token
    name = TextField(unique=True)
    hash = TextField()  # hexadecimal SHA-256
    scopes = TextField()  # JSON list of words
    owners = TextField()  # JSON list of patterns: of which vaults and guardians it may learn
    created_at = BigIntegerField()


class Answered(Base):
    """What a request with an Idempotency-Key was answered, so that the same one twice is done once."""

    token = ForeignKeyField(Token, on_delete="CASCADE")
    key = TextField()
    request = TextField()  # hexadecimal SHA-256 over what was asked
    status = IntegerField()
    content = TextField()  # JSON
    at = BigIntegerField(index=True)

    class Meta:
        primary_key = CompositeKey("token", "key")


TABLES = (
    Setting,
    Block,
    Vault,
    Guardian,
    Protection,
    ArmedLock,
    Trigger,
    Watch,
    Transaction,
    Sighting,
    Signal,
    Unresolved,
    Event,
    Alert,
    Decision,
    Order,
    Announcement,
    Silence,
    Response,
    ResponseStep,
    Broadcast,
    Blindness,
    Backlog,
    RewindVault,
    RewindDevice,
    RewindPush,
    Token,
    Answered,
)
