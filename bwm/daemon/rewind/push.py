"""The worker that tells RewindBitcoin devices: batches to the push service, receipts, and devices that are no more.

What is due is in the database; it is claimed before sending and recorded after, so that a crash sends twice and never
not at all. A request that hangs holds up those in it and no others.
"""

import random
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, wait
from functools import partial
from typing import Any, TypeVar

import structlog

from bwm.channels.expo import AT_ONCE, RECEIPTS_AT_ONCE, TOKEN, Fate, Outcome, PushService, alarm
from bwm.clock import Clock
from bwm.daemon.loop import Loop
from bwm.daemon.rewind.text import push_text
from bwm.db import rewind_push
from bwm.db.database import Database
from bwm.db.rewind import place_of
from bwm.db.rewind_notices import Notice
from bwm.db.rewind_push import Claim
from bwm.errors import ChannelError, DatabaseUnwritable, DeliverLater, DeliveryRefused
from bwm.seal import CannotOpen, Sealer

log = structlog.get_logger()

NAME = "rewind-push"
"""The push service as a channel among others, where its troubles are told."""

_LOOK_EVERY_S = 0.5
_PAUSE_S = 0.03  # between two transactions: who follows the chain wants to write as well
_SENDERS = 8  # requests under way at once
_STOP_S = 3.0  # for these to end; what is cut off then is sent again after the next start
_FIRST_RETRY_S, _LONGEST_RETRY_S, _REFUSED_RETRY_S = 2, 300, 3600
_RECEIPT_AGAIN_S = 900  # Expo may need a while, and forgets after a day

Result = tuple[Claim, Outcome | ChannelError]

Letter = tuple[Claim, str]
"""What is to be sent, and the push token that it is sent to."""

_T = TypeVar("_T")


class PushWorker(Loop):
    """Tells every device what it must hear, as the policy ``rewind`` says."""

    def __init__(
        self,
        service: PushService,
        sealer: Callable[[], Sealer | None],
        database: Database,
        clock: Clock,
        on_trouble: Callable[[str, str | None], None],
        on_retired: Callable[[str, int], None],
        receipts_after_s: int,
    ) -> None:
        """``on_retired`` hears the vault of a device that is no more, and how many others the vault has."""
        super().__init__("rewind push")
        self._service = service
        self._sealer = sealer
        self._database = database
        self._clock = clock
        self._on_trouble = on_trouble
        self._on_retired = on_retired
        self._receipts_after_s = receipts_after_s
        self._under_way: set[Future[list[Result]]] = set()
        self._receipts: Future[dict[str, Outcome]] | None = None
        self._asked: dict[str, int] = {}  # devices by the tickets that it asks for

    def _work(self) -> None:
        with self._database.connection():
            with self._database.transaction():
                rewind_push.free_leases()
            self._take_turns(self.turn, _LOOK_EVERY_S)
            wait(self._under_way, timeout=_STOP_S)
            self._note_ended()

    def turn(self) -> bool:
        """Note what has ended, see what is to be told, and begin to tell it. False when there was nothing."""
        try:
            with self._database.passing_trouble():
                ended = self._note_ended()
                more_waits = False
                if rewind_push.any_change():
                    with self._database.transaction():
                        more_waits = rewind_push.refresh(self._clock.now())
                begun = self._begin()
                if more_waits:
                    self._stopping.wait(_PAUSE_S)
                return begun or ended or more_waits
        except DatabaseUnwritable:
            return False  # whoever writes the journal says so

    def _begin(self) -> bool:
        free = _SENDERS - len(self._under_way)
        now = self._clock.now()
        due_at = rewind_push.next_due()
        if free < 1 or due_at is None or due_at > now:
            return False
        if self._receipts is None and (tickets := rewind_push.due_receipts(now, RECEIPTS_AT_ONCE)):
            self._asked = tickets
            self._receipts = self._start(lambda: self._service.receipts(list(tickets)))
        with self._database.transaction():
            claims = rewind_push.claim(now, AT_ONCE)
        for batch in _batches(self._opened(claims)):
            self._under_way.add(self._start(partial(self._send, batch)))
        return bool(claims)

    def _opened(self, claims: Sequence[Claim]) -> list[Letter]:
        """With their push tokens. One that cannot be opened is put off, and that is said."""
        sealer = self._sealer()
        letters: list[Letter] = []
        for claim in claims:
            try:
                if sealer is None:
                    raise CannotOpen("there is no sealing key")
                letters.append((claim, sealer.open(claim.sealed, place_of(claim.token_hash)).decode()))
            except CannotOpen as error:
                with self._database.transaction():
                    rewind_push.failed(claim, self._clock.now() + _LONGEST_RETRY_S, str(error))
                self._on_trouble(NAME, "the sealing key does not open the push tokens: bring the right one back")
        return letters

    def _start(self, work: Callable[[], _T]) -> Future[_T]:
        """Do it in a thread that nobody waits for when the daemon ends."""
        future: Future[_T] = Future()
        future.add_done_callback(lambda _: self._bell.set())

        def carry_out() -> None:
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - it is raised where the result is read
                future.set_exception(error)

        try:
            threading.Thread(target=carry_out, name=self.name, daemon=True).start()
        except RuntimeError:  # this machine lets bwm have no more of them
            carry_out()
        return future

    # In a sender's thread: nothing of the database

    def _send(self, batch: Sequence[Letter]) -> list[Result]:
        """Where the request as a whole is refused, each message is tried alone: one may be at fault for all."""
        now = self._clock.now()
        pushes = [_push(claim, token, now) for claim, token in batch]
        try:
            return [(claim, outcome) for (claim, _), outcome in zip(batch, self._service.send(pushes), strict=True)]
        except DeliveryRefused as error:
            if len(batch) == 1:
                return [(batch[0][0], error)]
            half = len(batch) // 2
            return self._send(batch[:half]) + self._send(batch[half:])
        except ChannelError as error:
            return [(claim, error) for claim, _ in batch]

    # What became of it

    def _note_ended(self) -> bool:
        if self._receipts and self._receipts.done():
            self._note_receipts(self._receipts)
            self._receipts = None
        ended = [sending for sending in self._under_way if sending.done()]
        results = [result for sending in ended for result in sending.result()]
        if not ended:
            return False
        with self._database.transaction():
            retired = [self._record(claim, outcome) for claim, outcome in results]
        self._under_way.difference_update(ended)
        self._tell(results)
        self._say_retired(vault for vault in retired if vault)
        return True

    def _record(self, claim: Claim, outcome: Outcome | ChannelError) -> str | None:
        """The vault of a device that turned out to be no more. Call inside a transaction."""
        now = self._clock.now()
        if isinstance(outcome, Outcome) and outcome.fate is Fate.TAKEN:
            rewind_push.succeeded(claim, outcome.ticket, now + self._receipts_after_s, now)
            return None
        if isinstance(outcome, Outcome) and outcome.fate is Fate.GONE:
            return rewind_push.retire(claim.device_id, now)
        words = outcome.words if isinstance(outcome, Outcome) else str(outcome)
        rewind_push.failed(claim, now + _wait_s(outcome, claim.tries), words)
        return None

    def _tell(self, results: Iterable[Result]) -> None:
        """The service works when it takes anything; a single token that it refuses says nothing about it."""
        failed = [outcome for _, outcome in results if isinstance(outcome, ChannelError)]
        taken = [claim for claim, outcome in results if isinstance(outcome, Outcome) and outcome.fate is Fate.TAKEN]
        if taken:
            log.info("rewind.pushed", devices=len(taken))
            self._on_trouble(NAME, None)
        elif failed and not all(isinstance(error, DeliveryRefused) for error in failed):
            log.warning("rewind.push_failing", error=str(failed[0]))
            self._on_trouble(NAME, str(failed[0]))

    def _say_retired(self, names: Iterable[str]) -> None:
        for vault in names:
            log.warning("rewind.device_retired", vault=vault)
            self._on_retired(vault, rewind_push.remaining_devices(vault))

    def _note_receipts(self, answer: Future[dict[str, Outcome]]) -> None:
        now, tickets = self._clock.now(), self._asked
        try:
            outcomes = answer.result()
        except ChannelError as error:
            log.warning("rewind.receipts_failing", error=str(error))
            with self._database.transaction():
                rewind_push.postpone_receipts(tickets, now + _RECEIPT_AGAIN_S)
            return
        lost = [ticket for ticket, outcome in outcomes.items() if outcome.fate in (Fate.LATER, Fate.REFUSED)]
        gone = {tickets[name] for name, outcome in outcomes.items() if outcome.fate is Fate.GONE and name in tickets}
        with self._database.transaction():
            rewind_push.tell_again(lost, now)
            retired = [rewind_push.retire(device, now) for device in gone]
            rewind_push.settle_receipts(outcomes)
            rewind_push.postpone_receipts(tickets.keys() - outcomes.keys(), now + _RECEIPT_AGAIN_S)
        self._say_retired(vault for vault in retired if vault)


def _batches(letters: Sequence[Letter]) -> list[list[Letter]]:
    """Those whose token looks as it should go together; a strange one alone, for it may have a batch refused."""
    together = [letter for letter in letters if TOKEN.fullmatch(letter[1])]
    alone = [[letter] for letter in letters if not TOKEN.fullmatch(letter[1])]
    return ([together] if together else []) + alone


def _wait_s(outcome: Outcome | ChannelError, tries: int) -> int:
    """Seconds until the next try: some at first, doubled each time; a refusal waits longest."""
    is_refused = outcome.fate is Fate.REFUSED if isinstance(outcome, Outcome) else isinstance(outcome, DeliveryRefused)
    if is_refused and tries:
        return min(_REFUSED_RETRY_S, _LONGEST_RETRY_S * tries)
    ceiling = min(_LONGEST_RETRY_S, _FIRST_RETRY_S * (1 << min(tries, 10)))
    jittered = ceiling / 2 + random.random() * ceiling / 2  # noqa: S311 (jitter)
    asked = outcome.wait_s if isinstance(outcome, DeliverLater) and outcome.wait_s is not None else 0
    return max(1, round(jittered), min(asked, _LONGEST_RETRY_S))


def _push(claim: Claim, token: str, now: int) -> dict[str, Any]:
    notice = claim.notice
    age_s = now - notice.detected_at
    title, body = push_text(claim.locale, notice.wallet_name, notice.vault_number, notice.attempts, age_s)
    return alarm(token, title, body, data_of(notice))


def data_of(notice: Notice) -> dict[str, Any]:
    """What the wallet reads, of a message and of its list alike."""
    return {
        "vaultId": notice.wallet_id,
        "walletUUID": notice.wallet_uuid,
        "walletName": notice.wallet_name,
        "vaultNumber": notice.vault_number,
        "watchtowerId": notice.watchtower_id,
        "txid": notice.txid,
        "attemptCount": notice.attempts,
        "firstDetectedAt": notice.detected_at,
        "networkId": notice.network,
    }
