"""Hooks, webhooks and plug-ins as real processes, ordered by policies: what they do wrong harms nobody."""

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bwm.actions import webhook
from bwm.actions.deed import Deed
from bwm.actions.program import MOST_OUTPUT, Program, ProgramFailed, run
from bwm.clock import SystemClock
from bwm.config_policies import WebhookConfig
from bwm.daemon.deeds import DeedWorker
from bwm.daemon.policy_desk import PolicyDesk, judged
from bwm.db import orders, schema
from bwm.db.alerts import Target
from bwm.db.commit import commit
from bwm.db.database import Database
from bwm.event import Event, fact_key
from bwm.order import LEASE_S
from bwm.plan import AlertChange, Changes, plan_operation
from bwm.policy.condition import InFlight
from bwm.policy.rule import AlertStep, DeedStep, Limit, OnError, Plugin, Policy
from bwm.secret import Secret
from bwm.severity import Severity
from regtest.receiver import Receiver, drip, hang, reply

COIN = f"{'11' * 32}:0"
THEFT = Event(
    fact_key("theft"), "trigger.seen", 1000, "regtest", "spends", "cold; $(reboot)\n--flag", None, "outpoint", COIN,
    "ab" * 32, sats=500,
)  # fmt: skip
TARGET = Target("phone", Severity.INFO)


class FixedClock(SystemClock):
    """Stands still until it is set."""

    at = 1_700_000_000

    def now(self) -> int:
        return self.at


class House:
    """A database, policies and the worker of their deeds, on a clock that is set by hand."""

    def __init__(
        self, database: Database, clock: FixedClock, *policies: Policy, webhooks: tuple[Any, ...] = ()
    ) -> None:
        self.clock = clock
        self.database = database
        self.desk = PolicyDesk(policies, "regtest")
        self.worker = DeedWorker(database, clock, self.desk, [TARGET], webhooks, lambda: None)

    def tell(self, event: Event = THEFT) -> None:
        changes = Changes((event,), alerts=(AlertChange("theft", event, Severity.EMERGENCY),))
        now = self.clock.now()
        commit(self.database, self.desk.judge(changes, now), [TARGET], now)

    def work(self, rounds: int = 12, step_s: int = 400) -> None:
        """Until nothing is due, with so much time between two looks."""
        for _ in range(rounds):
            while self.worker.turn():
                pass
            self.clock.at += step_s

    def kinds(self) -> list[str]:
        return [row.kind for row in schema.Event.select().order_by(schema.Event.seq)]

    def respond_orders(self) -> int:
        return int(schema.Order.select().where(schema.Order.action == "respond").count())

    def theft_is_told(self) -> bool:
        alert: Any = schema.Alert.get(schema.Alert.case == "theft")
        return (alert.severity, alert.state) == ("emergency", "open")


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def house(tmp_path: Path, clock: FixedClock) -> Iterator[Callable[..., House]]:
    database = Database(f"sqlite:///{tmp_path}/bwm.sqlite", "regtest")
    with database.connection():
        yield lambda *policies, **options: House(database, clock, *policies, **options)


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., str]:
    """Write a program; its path."""

    def write(text: str, name: str = "program", mode: int = 0o700) -> str:
        file = tmp_path / name
        file.write_text(text)
        file.chmod(mode)
        return str(file)

    return write


def policy(*steps: Any, when: Any = None, **fields: Any) -> Policy:
    return Policy("rule", "1", ("trigger.*",), when, steps, **fields)


def hook(path: str, *arguments: str, **fields: Any) -> DeedStep:
    return DeedStep("hook", path, {"argv": [path, *arguments], "timeout_s": 2}, **fields)


# Programs


def test_a_program_is_told_on_standard_input_and_sees_nothing_else_of_ours(program, tmp_path, monkeypatch):
    monkeypatch.setenv("BWM_SECRET", "canary")
    path = program(
        "#!/bin/sh\ncat; env; pwd; ulimit -c; ulimit -n; grep NoNewPrivs /proc/self/status; ls /proc/self/fd\n"
    )
    said = run(Program([path], 5), b"told\n", {"BWM_ORDER": "7"}).decode()
    assert said.startswith("told")
    assert "BWM_ORDER=7" in said
    assert "canary" not in said
    assert "HOME" not in said
    assert "NoNewPrivs:\t1" in said
    assert "\n/\n0\n128\n" in said
    assert said.split("NoNewPrivs:\t1\n")[1].split() == ["0", "1", "2", "3"], "3 is the folder that ls reads"


def test_a_label_is_data_and_never_an_option_or_a_command(house, program, tmp_path):
    path = program(f'#!/bin/sh\necho "$#" > {tmp_path}/number\ncat > {tmp_path}/told\n')
    home = house(policy(hook(path, "--fixed")))
    home.tell()
    home.work()
    assert (tmp_path / "number").read_text() == "1\n"
    assert json.loads((tmp_path / "told").read_text())["vault"] == THEFT.vault
    assert "hook.done" in home.kinds()


BAD_PROGRAMS = {
    "hangs": ("#!/bin/sh\nsleep 60\n", "took too long"),
    "hangs and takes no hint": ("#!/bin/sh\ntrap '' TERM INT\nwhile :; do :; done\n", "took too long"),
    "floods": ("#!/bin/sh\nexec cat /dev/zero\n", f"more than {MOST_OUTPUT} bytes"),
    "floods standard error": ("#!/bin/sh\nexec cat /dev/zero >&2\n", f"more than {MOST_OUTPUT} bytes"),
    "fails": ("#!/bin/sh\necho '\x1b[31mno' >&2\nexit 3\n", "ended with 3: ?[31mno"),
    "kills itself": ("#!/bin/sh\nkill -9 $$\n", "signal 9"),
    "is no program": ("no program at all\n", "cannot start"),
}


@pytest.mark.parametrize(("text", "words"), BAD_PROGRAMS.values(), ids=BAD_PROGRAMS)
def test_a_program_that_misbehaves_is_ended_in_time(program, text, words):
    began = time.monotonic()
    with pytest.raises(ProgramFailed) as failed:
        run(Program([program(text)], 1), b"x" * 200_000, {})
    assert words in str(failed.value)
    assert time.monotonic() - began < 4


def test_what_a_program_leaves_behind_is_ended_with_it(program, tmp_path):
    path = program(f"#!/bin/sh\nsleep 60 &\necho $! > {tmp_path}/left\n")
    began = time.monotonic()
    run(Program([path], 20), b"", {})
    assert time.monotonic() - began < 5, "it was not waited for"
    left = int((tmp_path / "left").read_text())
    deadline = time.monotonic() + 5
    while Path(f"/proc/{left}/status").exists() and "zombie" not in Path(f"/proc/{left}/status").read_text():
        assert time.monotonic() < deadline, "it lives on"
        time.sleep(0.01)


@pytest.mark.parametrize("mode", [0o777, 0o722, 0o720, 0o600])
def test_a_program_that_others_could_change_or_that_is_none_is_not_run(program, mode):
    path = program("#!/bin/sh\n", mode=mode)
    with pytest.raises(ProgramFailed, match=r"chmod|cannot start"):
        run(Program([path], 1), b"", {})


def test_a_program_in_a_folder_that_others_could_change_is_not_run(tmp_path):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "program").write_text("#!/bin/sh\n")
    (folder / "program").chmod(0o700)
    with pytest.raises(ProgramFailed, match=f"chmod go-w {folder}"):
        run(Program([str(folder / "program")], 1), b"", {})


def test_a_program_runs_as_another_user_where_we_may_become_one():
    program = Program(["/usr/bin/id", "-un"], 5, run_as="nobody")
    if os.geteuid() == 0:
        assert run(program, b"", {}) == b"nobody\n"
    else:
        with pytest.raises(ProgramFailed, match="not permitted"):
            run(program, b"", {})


# Orders


def test_a_hook_that_fails_is_tried_again_with_the_same_number_and_then_told(house, program, tmp_path):
    path = program(f'#!/bin/sh\necho "$BWM_ORDER $BWM_ATTEMPT" >> {tmp_path}/runs\nexit 1\n')
    home = house(policy(hook(path)))
    home.tell()
    home.work()
    [number] = [row.id for row in schema.Order.select().where(schema.Order.action == "hook")]
    assert (tmp_path / "runs").read_text().splitlines() == [f"{number} 1", f"{number} 2", f"{number} 3"]
    assert home.kinds() == ["trigger.seen", "policy.decided", "hook.failed"]
    alert: Any = schema.Alert.get(schema.Alert.case != "theft")
    assert (alert.severity, schema.Event.get_by_id(alert.event_id).kind) == ("high", "hook.failed")


def test_an_order_whose_worker_died_is_carried_out_after_its_lease(house, program, tmp_path, clock):
    home = house(policy(hook(program(f"#!/bin/sh\necho ran >> {tmp_path}/runs\n"))))
    home.tell()
    [order] = orders.due(["hook"], clock.now())
    assert orders.claim(order, clock.now()) == 1
    assert not home.worker.turn()
    clock.at += LEASE_S + 1
    assert home.worker.turn()
    assert (tmp_path / "runs").read_text() == "ran\n"
    assert not orders.succeeded(order, 1, clock.now()), "who was paused past the lease can no longer report"


def acknowledge(case: str, under_duress: int = 0) -> None:
    changed = schema.Alert.update(state="acknowledged", under_duress=under_duress)
    assert changed.where(schema.Alert.case == case).execute() == 1


@pytest.mark.parametrize(("duress", "runs"), [(0, False), (1, True)])
def test_an_acknowledgement_calls_off_unless_it_was_forced(house, program, tmp_path, clock, duress, runs):
    home = house(
        policy(hook(program(f"#!/bin/sh\necho ran >> {tmp_path}/runs\n"), after_s=600, unless=("acknowledged",)))
    )
    case = f"vault/{THEFT.vault}/{THEFT.txid}"
    changes = Changes((THEFT,), alerts=(AlertChange(case, THEFT, Severity.EMERGENCY),))
    commit(home.database, home.desk.judge(changes, clock.now()), [TARGET], clock.now())
    acknowledge(case, duress)
    clock.at += 600
    home.work(2)
    assert (tmp_path / "runs").exists() == runs
    assert ("hook.dropped" in home.kinds()) != runs


@pytest.mark.parametrize(
    ("answers", "after_s", "runs"),
    [((), 0, False), ((True,), 0, True), ((True, False), 0, False), ((), 7300, False)],
    ids=["nobody said yes", "yes", "yes and no", "nobody in time"],
)
def test_what_needs_approval_waits_for_a_person(house, program, tmp_path, clock, answers, after_s, runs):
    home = house(policy(hook(program(f"#!/bin/sh\necho ran >> {tmp_path}/runs\n"), approval_s=7200)))
    home.tell()
    home.work(2, 10)
    for yes in answers:
        event = orders.answer(1, yes=yes, by="alice", network="regtest", now=clock.now())
        commit(home.database, plan_operation(event, None), [], clock.now())
    clock.at += after_s
    home.work(2, 10)
    assert (tmp_path / "runs").exists() == runs
    waits = not answers and not after_s
    assert ("hook.dropped" in home.kinds()) == (not runs and not waits)


def test_a_limit_and_a_window_count_what_the_journal_holds(house, clock):
    limited = policy(DeedStep("hook", "/none", after_s=86_400), limit=Limit(2, 3600), when=InFlight(1000, 600))
    home = house(limited)
    for number in range(5):
        clock.at += 60
        home.tell(replace(THEFT, key=fact_key(number), at=clock.now(), txid=f"{number:064}"))
    decided = list(schema.Decision.select().order_by(schema.Decision.id))
    assert [json.loads(row.facts) for row in decided] == [{"sats_in_flight": sats} for sats in (1000, 1500, 2000, 2500)]
    assert schema.Order.select().where(schema.Order.action == "hook").count() == 2
    clock.at += 3600
    home.tell(replace(THEFT, key=fact_key("alone"), at=clock.now(), txid="ef" * 32))
    assert schema.Decision.select().count() == 4, "what is an hour old is not in flight"


def test_a_fault_in_policies_is_told_and_takes_no_alert_along(house, clock, monkeypatch):
    def break_down(changes: Changes, now: int) -> Changes:
        raise ZeroDivisionError

    home = house(policy(hook("/none")))
    monkeypatch.setattr(home.desk, "judge", break_down)
    for number in range(2):
        theft = replace(THEFT, key=fact_key(number))
        changes = Changes((theft,), alerts=(AlertChange("theft", theft, Severity.EMERGENCY),))
        commit(home.database, judged(home.desk, home.database, changes, clock.now()), [TARGET], clock.now())
    assert home.kinds() == ["trigger.seen", "policy.failed", "trigger.seen"]
    assert home.theft_is_told()


def test_a_webhook_that_is_refused_or_hangs_is_told_in_the_end(house):
    with Receiver() as receiver:
        siren = WebhookConfig("siren", Secret(receiver.url("http", "hidden")), Secret("s" * 16))
        step = DeedStep("webhook", "siren", {"timeout_s": 1})
        home = house(policy(step), webhooks=(siren,))
        receiver.behaviour = hang
        home.tell()
        assert home.worker.turn()
        receiver.behaviour = reply(500)
        home.work(12)
    assert home.kinds()[-1] == "webhook.failed"
    failed: Any = schema.Event.get(schema.Event.kind == "webhook.failed")
    assert "127.0.0.1 answered 500" in failed.reason
    assert "hidden" not in failed.reason
    assert len(receiver.received) == 10


def test_a_program_that_was_changed_and_a_policy_that_is_new_are_told_once(house, program, clock):
    path = program("#!/bin/sh\n")
    home = house(policy(hook(path)))
    home.worker.look_at_policies()
    assert home.kinds() == [], "the first look only remembers"
    program("#!/bin/sh\nexit 1\n")
    home = house(policy(hook(path)), replace(policy(hook(path)), name="second"))
    home.worker.look_at_policies()
    house(*home.desk.policies).worker.look_at_policies()
    [changed] = schema.Event.select()
    assert changed.reason == f"what bwm acts by was changed (new: policy second; changed: program {path})"
    [alert] = schema.Alert.select()
    assert (alert.severity, alert.state) == ("warning", "resolved")
    house().worker.look_at_policies()
    assert "gone: policy rule, policy second and program" in schema.Event.select()[1].reason


def test_a_server_that_answers_a_byte_at_a_time_is_left_in_time():
    def drip_headers(handler: Any, over: Any) -> None:
        while not over.wait(0.1):
            handler.wfile.write(b"H")
            handler.wfile.flush()

    with Receiver() as receiver:
        deed = Deed(1, 1, "siren", {"timeout_s": 1}, THEFT)
        receiver.behaviour = drip
        assert webhook.carry_out(deed, receiver.url("http"), "s" * 16) == {"status": 200}, (
            "its body is nobody's business"
        )
        receiver.behaviour = drip_headers
        began = time.monotonic()
        with pytest.raises(webhook.WebhookFailed):
            webhook.carry_out(deed, receiver.url("http"), "s" * 16)
        assert time.monotonic() - began < 4


# Plug-ins, as miradord runs them

SAMPLE = """#!/usr/bin/env python3
import json, sys
request = json.loads(sys.stdin.readline())
assert request["method"] == "new_block" and request["block_height"] == request["blockheight"]
info = request["block_info"]
{body}
"""
REVAULT_ALL = 'print(json.dumps({"revault": [one["deposit_outpoint"] for one in info["new_attempts"]]}))'
REVAULT_NONE = 'print(json.dumps({"revault": []}))'
MAX_IN_FLIGHT = """
from pathlib import Path
file = Path(request["config"]["data_dir"]) / "state.json"
flight = json.loads(file.read_text()) if file.exists() else {}
flight.update({one["deposit_outpoint"]: one["value"] for one in info["new_attempts"]})
for over in info["successful_attempts"] + info["revaulted_attempts"]:
    flight.pop(over, None)
file.write_text(json.dumps(flight))
too_much = sum(flight.values()) > request["config"]["max_value"]
print(json.dumps({"revault": [one["deposit_outpoint"] for one in info["new_attempts"]] if too_much else []}))
"""
LIES = 'print(json.dumps({"revault": ["%s:7" % ("99" * 32)] * 3}))'
JUNK = 'print("revault everything")'
WRONG_SHAPE = 'print(json.dumps({"revault": {"a": 1}}))'
HANGS = "import time; time.sleep(60)"
CRASHES = "raise SystemExit(1)"
FLOODS = 'print("x" * 1000000)'


def asking(path: str, on_error: OnError = OnError.ALERT, config: Any = None) -> Policy:
    steps = (AlertStep(("owner",)), DeedStep("respond", "cold/safe"))
    return policy(*steps, plugin=Plugin(path, config, 1), on_error=on_error)


@pytest.mark.parametrize(
    ("body", "on_error", "kind", "responses"),
    [
        (REVAULT_ALL, OnError.HOLD, "plugin.answered", 1),
        (REVAULT_NONE, OnError.ACT, "plugin.answered", 0),
        (LIES, OnError.ACT, "plugin.answered", 0),
        (JUNK, OnError.ALERT, "plugin.failed", 0),
        (JUNK, OnError.ACT, "plugin.failed", 1),
        (JUNK, OnError.HOLD, "plugin.failed", 0),
        (WRONG_SHAPE, OnError.ALERT, "plugin.failed", 0),
        (HANGS, OnError.ALERT, "plugin.failed", 0),
        (CRASHES, OnError.ALERT, "plugin.failed", 0),
        (FLOODS, OnError.ALERT, "plugin.failed", 0),
    ],
    ids=["all", "none", "lies", "junk", "junk-act", "junk-hold", "shape", "hangs", "crashes", "floods"],
)
def test_a_plugin_neither_passes_a_theft_nor_burns_the_vault(house, program, body, on_error, kind, responses):
    home = house(asking(program(SAMPLE.format(body=body)), on_error))
    home.tell()
    assert home.theft_is_told(), "the alert does not wait for the program"
    home.work(4)
    assert home.kinds().count(kind) == 1
    assert home.respond_orders() == responses
    assert home.theft_is_told()


def test_the_sample_that_counts_what_is_in_flight_behaves_as_documented(house, program, tmp_path):
    path = program(SAMPLE.format(body=MAX_IN_FLIGHT))
    home = house(asking(path, config={"data_dir": str(tmp_path), "max_value": 900}))

    def verdict(kind: str, coin: int) -> bool:
        key = f"{coin:064}:0"
        event = Event(
            fact_key(kind, coin), kind, 1000, "regtest", "", "cold", None, "outpoint", key, f"{coin:064}", sats=500
        )
        home.tell(event)
        home.work(2, 1)
        answered: Any = (
            schema.Event.select().where(schema.Event.kind == "plugin.answered").order_by(schema.Event.seq.desc())
        )
        return bool(json.loads(answered.first().detail)["revault"])

    assert not verdict("trigger.confirmed", 1)
    assert verdict("trigger.confirmed", 2), "1000 sat are in flight"
    assert not verdict("trigger.final", 1)
    assert not verdict("trigger.conflicted", 2)
    assert not verdict("trigger.confirmed", 3)
