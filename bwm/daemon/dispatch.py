"""Orders carried out: one worker a channel, each with its own pace, so that a dead one delays no other.

A worker alone reads and writes the outbox; the senders it has at hand only deliver. So one message that hangs does
not hold up the next, and a flood of them is told side by side.

Claimed and committed before sending; recorded after the deed. A worker that dies in between leaves a lease that
lapses, and the order is sent again with the same id, marked.
"""

import math
import random
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from typing import Any

import structlog

from bwm.actions import alert as alert_action
from bwm.actions import digest
from bwm.actions.alert import Story
from bwm.answer import code
from bwm.channels.channel import Channel, Message
from bwm.clock import Clock
from bwm.daemon import outlook
from bwm.daemon.lanes import Batch, Lanes, entries, in_parts
from bwm.daemon.loop import Loop
from bwm.daemon.stir import QUIET_S
from bwm.daemon.unwritten import Unwritten
from bwm.db import channel_outcomes, journal, outbox
from bwm.db.alerts import Target
from bwm.db.database import Database
from bwm.db.outbox import Claim
from bwm.db.schema import Alert
from bwm.errors import ChannelError, DatabaseUnwritable, DeliverLater, DeliveryRefused, DeliveryUncertain
from bwm.order import after_failure
from bwm.severity import Severity
from bwm.wording import Reader

log = structlog.get_logger()

_LOOK_EVERY_S = 1.0  # while something is being told, or cannot be written down
_AT_ONCE = 32  # deliveries of one channel under way; a thread for one is made only when all others are busy
_RESERVED = 4  # of them for what is critical or worse: a flood of anything else leaves them free


class ChannelWorker(Loop):
    """Delivers what is due on one channel."""

    def __init__(
        self,
        channel: Channel,
        reader: Reader,
        database: Database,
        clock: Clock,
        on_trouble: Callable[[str, str | None], None],
        target: Target | None = None,
        *,
        answer_key: bytes = b"",
        may_digest: bool = False,
    ) -> None:
        """``on_trouble`` hears the channel's name after each delivery, with what is wrong or None.

        ``answer_key``: of the codes that acknowledge; without it messages hold none. ``may_digest``: people read it.
        """
        super().__init__(f"channel {channel.name}")
        self.channel = channel
        self.reader = reader
        self._database = database
        self._clock = clock
        self._on_trouble = on_trouble
        self._is_down = False
        self._looked_at = math.inf  # by the wall clock: at first nobody knows what it was before
        self._answer_key = answer_key
        self._lanes = Lanes(target or Target(channel.name, Severity.INFO), database, clock, may_digest=may_digest)
        self._unwritten = Unwritten()
        self._under_way: dict[Future[None], Batch] = {}

    def _work(self) -> None:
        with self._database.connection(), ThreadPoolExecutor(_AT_ONCE, self.name) as senders:
            self._warm_up()
            self._take_turns(partial(self._round, senders), self._rest_after)
            wait(self._under_way)
            self._round(senders=None)

    def _rest_after(self) -> float:
        return _LOOK_EVERY_S if self._under_way or self._unwritten.next() else QUIET_S

    def _warm_up(self) -> None:
        """Have the first alert leave as fast as any. A channel that can never work is told of on the others now."""
        try:
            self.channel.warm_up()
        except ChannelError as error:
            log.warning("channel.cold", channel=self.channel.name, error=str(error))
            if isinstance(error, DeliveryRefused):  # all else may be over when there is something to tell
                self._is_down = True
                self._note_cold(str(error))
                self._on_trouble(self.channel.name, str(error))

    def _note_cold(self, words: str) -> None:
        """The next daemon is not to think that all is well, until it has found the same."""
        with suppress(DatabaseUnwritable), self._database.transaction():
            channel_outcomes.note(self.channel.name, words)

    def shout(self, message: Message) -> None:
        """Tell what could not be written down. From any thread."""
        self._unwritten.add(message)
        self._bell.set()

    def _shout_one(self) -> bool:
        """Deliver from memory. What fails is kept and tried again; what succeeds is told again once it is written."""
        message = self._unwritten.next()
        if message is None:
            return False
        try:
            self._carry_out(message)
        except ChannelError as error:
            log.warning("channel.failing", channel=self.channel.name, error=str(error))
            self._unwritten.put_last(message)
            return False
        self._unwritten.remove(message)
        log.info("alert.delivered_unwritten", channel=self.channel.name, alert=message.alert_id)
        return True

    def _carry_out(self, message: Message) -> None:
        """Raises ChannelError whatever goes wrong: a fault in a channel must not end the daemon, nor lose the alert."""
        try:
            alert_action.carry_out(self.channel, message)
        except ChannelError:
            raise
        except Exception as error:
            log.exception("channel.fault", channel=self.channel.name)
            raise DeliveryUncertain(f"a fault in bwm itself: {type(error).__name__}") from error

    def _round(self, senders: Executor | None) -> bool:
        """Note what has ended, and begin what is due, as far as there are senders. False when there was neither."""
        if senders and self._shout_one():
            return True
        try:
            with self._database.passing_trouble():
                ended = self._note_ended()
                return bool(senders and self._begin(senders)) or ended
        except DatabaseUnwritable:
            return False  # whoever writes the journal says so

    def _begin(self, senders: Executor) -> bool:
        batches = self._take(_AT_ONCE - len(self._under_way), _RESERVED)
        for batch in batches:
            sending = _submitted(senders, partial(self._carry_out, self._message(batch)))
            self._under_way[sending] = batch
            sending.add_done_callback(lambda _: self._bell.set())
        return bool(batches)

    def _note_ended(self) -> bool:
        ended = [sending for sending in self._under_way if sending.done()]
        if not ended:
            return False
        self._record_all([(self._under_way[sending], sending.exception()) for sending in ended])
        for sending in ended:
            batch = self._under_way.pop(sending)
            self._tell(batch, sending.exception())
        return True

    def turn(self) -> bool:
        """One delivery, from memory or from the outbox; False when none is due."""
        if self._shout_one():
            return True
        try:
            with self._database.passing_trouble():
                return self.deliver_one()
        except DatabaseUnwritable:
            return False

    def deliver_one(self) -> bool:
        """Carry out the most urgent delivery that is due; False when none is."""
        batches = self._take(1, 0)
        for batch in batches:
            failure = None
            try:
                self._carry_out(self._message(batch))
            except ChannelError as error:
                failure = error
            self._record_all([(batch, failure)])
            self._tell(batch, failure)
        return bool(batches)

    def _take(self, room: int, reserved: int) -> list[Batch]:
        """The most urgent deliveries that are due."""
        self._notice_clock()
        now = self._clock.now()
        due_at = outbox.next_due_on(self.channel.name, now)
        if room < 1 or due_at is None or due_at > now:
            return []
        with self._database.transaction():
            outbox.lapse(self._clock.now())
        return self._lanes.take(room, reserved)

    def _notice_clock(self) -> None:
        """A clock that was set back would leave what is due waiting until it has caught up with itself."""
        now, before = self._clock.now(), self._looked_at
        if now < before:
            with self._database.transaction():
                outbox.bring_forward(now)
        self._looked_at = now

    def _record_all(self, outcomes: Sequence[tuple[Batch, BaseException | None]]) -> None:
        """How deliveries ended."""
        pairs = [(claim, error) for batch, error in outcomes for claim in batch]
        for part in in_parts(pairs):
            with self._database.transaction():
                for claim, error in part:
                    self._record(claim, error)
        for batch, error in outcomes:
            if error is None and len(batch) > 1:
                self._lanes.told(batch)

    def _record(self, claim: Claim, error: BaseException | None) -> None:
        """How a delivery ended. Call inside a transaction."""
        now = self._clock.now()
        if error is None:
            outbox.succeeded(claim, now)
        elif isinstance(error, ChannelError):
            retry = after_failure(error, claim.attempt, now, random.random())  # noqa: S311 (jitter)
            outbox.failed(claim, retry, str(error), now)
        else:
            raise error
        channel_outcomes.note(self.channel.name, None if error is None else str(error))

    def _tell(self, batch: Batch, error: BaseException | None) -> None:
        """Say so, each time: the trouble may be one of the daemon before this one, or nobody heard of it yet."""
        self._on_trouble(self.channel.name, None if error is None else str(error))
        if error is None:
            if self._is_down:
                log.info("channel.back", channel=self.channel.name)
            claim, together = batch[0], {"together": len(batch)} if len(batch) > 1 else {}
            log.info(
                "alert.delivered", channel=self.channel.name, alert=claim.alert_id, attempt=claim.attempt, **together
            )
        elif not self._is_down:
            log.warning("channel.failing", channel=self.channel.name, error=str(error))
        self._is_down = error is not None

    def _message(self, batch: Batch) -> Message:
        """What to say; the least of it where something about the alert cannot be read."""
        now, claim = self._clock.now(), batch[0]
        if len(batch) > 1:
            doubtful = any(claim.may_repeat for claim in batch)
            return digest.message(claim.order_id, *entries(batch), self.reader, now, may_repeat=doubtful)
        alert: Any = Alert.get_by_id(claim.alert_id)
        try:
            latest = journal.get(alert.last_event_id)
            about = latest if alert.event_id == alert.last_event_id else journal.get(alert.event_id)
            story = Story(
                alert_id=alert.id,
                severity=alert.severity,
                about=about,
                latest=latest,
                opened_at=alert.created_at,
                answer_code=self._code(alert, claim),
                repeats_at=outlook.repeats_at(alert, now),
                coming=outlook.coming(about),
                blocks_left=outlook.blocks_left(latest, now),
            )
            return alert_action.message(story, claim, self.reader, now)
        except Exception:
            log.exception("alert.unreadable", alert=alert.id)
            return alert_action.bare_message(alert.id, alert.severity, claim, self.reader, now)

    def _code(self, alert: Any, claim: Claim) -> str | None:
        """What acknowledges the state of the alert that this attempt tells."""
        if not self._answer_key:
            return None
        return code(self._answer_key, claim.alert_id, self.channel.name, alert.round, claim.revision)


def _submitted(senders: Executor, work: Callable[[], None]) -> "Future[None]":
    """Have it done by a thread of the senders. Where no more threads can be had it fails, and is tried again."""
    ours: Future[None] = Future()

    def do() -> None:
        if not ours.set_running_or_notify_cancel():
            return
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is looked at
            ours.set_exception(error)
        else:
            ours.set_result(None)

    try:
        senders.submit(do)
    except RuntimeError:  # the system's limit; a thread that is there may take it all the same
        if ours.cancel():
            ours = Future()
            ours.set_exception(DeliverLater("not sent: this machine lets bwm have no more threads"))
    return ours
