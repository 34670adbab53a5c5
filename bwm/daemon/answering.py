"""Answers to alerts, whoever takes them: the command line or the API. Each is one transaction."""

import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bwm.answer import KEY_BYTES, opens, tidy
from bwm.clock import Clock
from bwm.config import Config
from bwm.daemon.targets import targets_of
from bwm.db import alerts, answers, journal, schema
from bwm.db.answers import GUESSES, GUESSES_SPAN_S, REFUSED, Outcome
from bwm.db.commit import commit
from bwm.db.database import Database
from bwm.errors import BwmError, DatabaseTrouble, UsageError
from bwm.event import Event, fact_key
from bwm.plan import AlertChange, Changes
from bwm.severity import Severity

KEY_FILE = "answer.key"

DURESS = "alert.duress"


class CodeRefused(BwmError):
    """A code that acknowledges nothing. That somebody tried is written down; nothing else was changed."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a code."""

    alert_id: str
    outcome: Outcome


def answer_key(state_dir: Path) -> bytes:
    """The key of the codes, made at random when there is none yet. Raises DatabaseTrouble."""
    path = state_dir / KEY_FILE
    try:
        if not path.exists():
            _make_key(path)
        key = path.read_bytes()
    except OSError as error:
        raise DatabaseTrouble(
            f"{path} cannot be read or made: {error.strerror}. Check the disk and its owner."
        ) from error
    if len(key) != KEY_BYTES:
        raise DatabaseTrouble(f"{path} is damaged. Remove it and start bwm anew: the codes of older messages end then.")
    return key


def _make_key(path: Path) -> None:
    """Whole or not at all; of two who make one at the same time, the first wins."""
    part = path.with_name(f"{KEY_FILE}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    try:
        with suppress(FileExistsError):
            os.link(part, path)
    finally:
        part.unlink()


class Answering:
    """Takes acknowledgements. Call inside a database connection."""

    def __init__(
        self,
        config: Config,
        database: Database,
        clock: Clock,
        may_answer: Callable[[str], bool] = lambda alert_id: True,
        token: str | None = None,
    ) -> None:
        """``may_answer``: whether whoever types codes may answer the alert of this id.

        ``token``: the name of the one by which they come; None: from this machine.
        """
        self._config = config
        self._database = database
        self._clock = clock
        self._may_answer = may_answer
        self._token = token

    def answer(self, text: str, by: str) -> Answered:
        """What a person at this machine typed: the beginning of an alert's id, or the code of a message.

        Raises UsageError for what is neither, CodeRefused for a code that acknowledges nothing.
        """
        if forced := self._forced(text):
            return forced
        try:
            alert = alerts.find(text)
        except UsageError:
            if tidy(text) is None:
                raise
            return self._by_code(text, None)
        return self.by_id(alert.id, by)

    def by_id(self, alert_id: str, by: str, revision: int | None = None) -> Answered:
        """``revision``: the state that was read; None: what was told last on any channel."""
        with self._database.transaction():
            return Answered(alert_id, answers.acknowledge(alert_id, by, self._clock.now(), revision))

    def by_code(self, typed: str, by: str | None = None) -> Answered:
        """What a code says. ``by``: who typed it; None: whoever reads the channel whose message held it.

        Raises CodeRefused for one that acknowledges nothing, after it was written down that somebody tried.
        """
        return self._forced(typed) or self._by_code(typed, by)

    def _by_code(self, typed: str, by: str | None) -> Answered:
        code, now = tidy(typed), self._clock.now()
        if answers.guesses(self._token, now).are_spent:
            raise CodeRefused(
                f"Too many wrong codes were typed: none is looked at for {GUESSES_SPAN_S // 60} minutes. "
                "On this machine, acknowledge by the alert's id: bwm alerts, bwm ack ALERT."
            )
        proof = answers.prove(code, answer_key(self._config.state_dir)) if code else None
        if proof is None or not self._may_answer(proof.alert_id):
            self._refuse("a code that no message holds" if proof is None else "a code that is not theirs to use", proof)
            raise CodeRefused("This code is of no alert. Look at the message again, or: bwm alerts")
        if proof.is_spent:
            return self._replayed(proof)
        who = by or f"{' or '.join(self._people(proof.channel)) or 'a reader'} by {proof.channel}"
        with self._database.transaction():
            outcome = answers.acknowledge(proof.alert_id, who, now, proof.revision, proof.channel)
        return Answered(proof.alert_id, outcome)

    def _replayed(self, proof: answers.Proof) -> Answered:
        self._refuse("a code that was used before", proof)
        alert: Any = schema.Alert.get_by_id(proof.alert_id)
        if alert.state == alerts.ACKNOWLEDGED:
            return Answered(proof.alert_id, Outcome.ALREADY)
        raise CodeRefused("This code was used before, and the alert was taken up again since. Use its latest message.")

    def _people(self, channel: str) -> Sequence[str]:
        return next((each.people for each in self._config.channels if each.name == channel), ())

    def _refuse(self, words: str, proof: answers.Proof | None) -> None:
        """Somebody mistyped, or guesses. The last guess that is looked at is told louder than those before."""
        now = self._clock.now()
        guesses = answers.guesses(self._token, now).own + 1
        severity = Severity.HIGH if guesses >= GUESSES else Severity.WARNING
        about = f"; it was of alert {proof.alert_id} on channel {proof.channel}" if proof else ""
        place = f" with token {self._token}" if self._token else ""
        case = f"codes/{now // GUESSES_SPAN_S}"
        event = Event(
            key=fact_key(self._config.network, REFUSED, now, journal.last_seq()),
            kind=REFUSED,
            at=now,
            network=self._config.network,
            reason=f"somebody{place} typed {words}{about}: nothing was acknowledged (attempt {guesses} of {GUESSES})",
            detail={
                "case": case,
                "token": self._token,
                **({"alert": proof.alert_id, "channel": proof.channel} if proof else {}),
            },
        )
        change = AlertChange(f"bwm/{case}", event, severity)
        commit(self._database, Changes(events=(event,), alerts=(change,)), targets_of(self._config), now)

    def _forced(self, typed: str) -> Answered | None:
        """What a duress code does: it looks like any answer, and everybody else is told. None: it is none."""
        people = [person for person, seal in self._config.alerts.duress.items() if opens(typed, seal.reveal())]
        if not people:
            return None
        person, now = people[0], self._clock.now()
        theirs = [one for one in alerts.listed(alerts.OPEN, hidden=False) if self._may_answer(one.id)]
        open_ones = sorted(theirs, key=lambda one: (_rank(one), one.created_at))
        case = f"duress/{person}/{now}"
        event = Event(
            key=fact_key(self._config.network, DURESS, person, now),
            kind=DURESS,
            at=now,
            network=self._config.network,
            reason=f"{person} was forced to acknowledge alerts, and typed the duress code",
            detail={"person": person, "case": case},
        )
        change = AlertChange(f"bwm/{case}", event, Severity.EMERGENCY, hidden_from=person)
        channels = [each.name for each in self._config.channels if person in each.people]
        with self._database.transaction():
            for alert in open_ones:
                answers.acknowledge_under_duress(alert.id, person, now, channels)
            commit(self._database, Changes(events=(event,), alerts=(change,)), targets_of(self._config), now)
        return Answered(open_ones[-1].id, Outcome.DONE) if open_ones else None


def _rank(alert: Any) -> int:
    return Severity(alert.severity).rank
