"""Hooks and webhooks as real processes, ordered by policies: what they do wrong harms nobody."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bwm.actions import webhook
from bwm.actions.deed import Deed
from bwm.actions.program import MOST_OUTPUT, Program, ProgramFailed, run
from bwm.channels.sending.post import status_of_post
from bwm.config_policies import WebhookConfig
from bwm.daemon.policy_desk import judged
from bwm.db import orders, schema
from bwm.db.commit import commit
from bwm.event import fact_key
from bwm.order import LEASE_S
from bwm.plan import AlertChange, Changes, plan_operation
from bwm.policy.condition import InFlight
from bwm.policy.rule import DeedStep, Limit, Policy
from bwm.secret import Secret
from bwm.severity import Severity
from regtest.node import wait_until
from regtest.receiver import Receiver, drip, hang, reply
from tests.actions.house import TARGET, THEFT, hook, policy

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


def test_x31_a_label_is_data_and_never_an_option_or_a_command(house, program, tmp_path):
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
def test_r1_r2_r3_a_program_that_misbehaves_is_ended_in_time(program, text, words):
    began = time.monotonic()
    with pytest.raises(ProgramFailed) as failed:
        run(Program([program(text)], 1), b"x" * 200_000, {})
    assert words in str(failed.value)
    assert time.monotonic() - began < 4


def is_over(pid: int) -> bool:
    file = Path(f"/proc/{pid}/status")
    try:
        return "zombie" in file.read_text()
    except OSError:
        return True


LEFT_BEHIND = {
    "a child": "sleep 60 &\necho $! > {file}\n",
    "a child with a session of its own": "setsid sh -c 'echo $$ > {file}; exec sleep 60' &\n",
    "one that nobody is the parent of": "(setsid sh -c 'echo $$ > {file}; exec sleep 60' & )\n",
    "one that hides": "(env -i setsid -f sh -c 'echo $$ > {file}; trap \"\" TERM HUP; exec sleep 60' & )\n",
}


@pytest.mark.parametrize("ends", ["by itself", "over time", "with bwm"])
@pytest.mark.parametrize("text", LEFT_BEHIND.values(), ids=LEFT_BEHIND)
def test_r4_what_a_program_leaves_behind_is_ended_with_it(program, tmp_path, text, ends):
    file = tmp_path / "left"
    wait = f"while ! [ -s {file} ]; do sleep 0.01; done\n"
    path = program(f"#!/bin/sh\n{text.format(file=file)}{wait}" + ("" if ends == "by itself" else "sleep 60\n"))
    began = time.monotonic()
    if ends == "with bwm":
        asker = f"from bwm.actions.program import *; run(Program([{path!r}], 30), b'', {{}})"
        with subprocess.Popen([sys.executable, "-c", asker]) as daemon:
            wait_until(lambda: file.exists() and file.read_text(), "what the program begins")
            daemon.kill()
    elif ends == "over time":
        with pytest.raises(ProgramFailed, match="took too long"):
            run(Program([path], 1), b"", {})
    else:
        run(Program([path], 20), b"", {})
    assert time.monotonic() - began < 15, "it was not waited for"
    left = int(file.read_text())
    wait_until(lambda: is_over(left), "the end of what was left behind", 5)


@pytest.mark.parametrize("mode", [0o777, 0o722, 0o720, 0o600])
def test_x32_a_program_that_others_could_change_or_that_is_none_is_not_run(program, mode):
    path = program("#!/bin/sh\n", mode=mode)
    with pytest.raises(ProgramFailed, match=r"chmod|cannot start"):
        run(Program([path], 1), b"", {})


def test_x32_a_program_in_a_folder_that_others_could_change_is_not_run(tmp_path):
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


def test_a_clock_that_is_set_forward_makes_no_hook_run_before_its_time(house, program, tmp_path, clock):
    home = house(policy(hook(program(f"#!/bin/sh\necho ran >> {tmp_path}/runs\n"), after_s=600)))
    home.tell()
    assert not home.worker.turn()
    clock.wrong_by = 120
    home.tell(replace(THEFT, key=fact_key("another"), txid="cd" * 32))
    for seconds in (5, 594):
        clock.at += seconds
        assert not home.worker.turn()
    clock.at += 1
    while home.worker.turn():
        pass
    assert (tmp_path / "runs").read_text() == "ran\n" * 2, "one is as late as it should be, the other no later"


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


def test_what_waits_for_a_person_hides_nothing_that_waits_for_nobody(house, program, tmp_path, clock):
    siren = program(f"#!/bin/sh\necho ran >> {tmp_path}/runs\n")
    asking = Policy("asking", "1", ("trigger.seen",), None, (hook("/none", approval_s=86_400),))
    home = house(asking, Policy("siren", "1", ("trigger.confirmed",), None, (hook(siren),)))
    for number in range(40):  # a thief's small change
        home.tell(replace(THEFT, key=fact_key(number), txid=f"{number:064}"))
    home.work(8, 1)

    home.tell(replace(THEFT, key=fact_key("the theft"), kind="trigger.confirmed"))
    home.work(12, 1)

    assert (tmp_path / "runs").exists()


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


def test_what_others_journal_by_the_thousand_hides_nothing_of_a_vaults_own_past(house, clock):
    home = house(policy(DeedStep("hook", "/none"), when=InFlight(1000, 600)))
    home.tell(replace(THEFT, key=fact_key("half of it"), at=clock.now(), txid="11" * 32))
    noise = {"kind": "trigger.seen", "at": clock.now(), "network": "regtest", "vault": "noise", "reason": ""}
    for start in range(0, 20_000, 500):
        with home.database.transaction():
            schema.Event.insert_many([{**noise, "key": f"{start + number}"} for number in range(500)]).execute()

    home.tell(replace(THEFT, key=fact_key("the rest"), at=clock.now(), txid="22" * 32))

    assert schema.Order.select().where(schema.Order.action == "hook").count() == 1


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
        assert webhook.carry_out(deed, receiver.url("http"), "s" * 16, status_of_post) == {"status": 200}, (
            "its body is nobody's business"
        )
        receiver.behaviour = drip_headers
        began = time.monotonic()
        with pytest.raises(webhook.WebhookFailed):
            webhook.carry_out(deed, receiver.url("http"), "s" * 16, status_of_post)
        assert time.monotonic() - began < 4
