"""Drills on the real road: a theft that did not happen reaches people, and the report says what is broken."""

import json
import sqlite3
import threading
from contextlib import closing

import pytest

from regtest.daemon import Bwm
from regtest.node import wait_until


@pytest.fixture
def drilled(node, tmp_path):
    """A running bwm with a vault that watches an address with a coin, and a channel that leads nowhere."""
    address = node.new_address()
    node.pay(address, 5_000_000)
    node.mine()
    dead = '[[channel]]\nname = "dead"\nkind = "file"\npath = "/nowhere/alerts.jsonl"\npeople = ["family"]\n'
    bwm = Bwm(tmp_path / "bwm", node, settings=dead)
    bwm("add-vault", "cold", "--address", address)
    bwm.start()
    yield bwm
    bwm.kill()


def test_a_drill_is_told_acknowledged_and_reported_and_leaves_no_trace_of_a_theft(drilled):
    answer = threading.Thread(target=acknowledge_the_drill, args=(drilled,))
    answer.start()
    done = drilled("drill", "--vault", "cold", "--wait", "30s", "--json", exit_code=1)
    answer.join(30)
    report = json.loads(done.stdout)
    stages = {stage["stage"]: stage for stage in report["stages"]}
    assert stages["channel log"]["verdict"] == "ok"
    assert stages["channel log"]["seconds"] < 10
    assert stages["acknowledgement"]["words"] == "by alice"
    assert [words for words in report["broken"] if "/nowhere/alerts.jsonl" in words]
    assert "- channel dead: " in drilled("drill", "--last", exit_code=1).stdout
    drilled("add-channel", "late", "--kind", "file", "--path", "late.jsonl")
    later = json.loads(drilled("drill", "--last", "--json", exit_code=1).stdout)
    [late] = [stage for stage in later["stages"] if stage["stage"] == "channel late"]
    assert (late["verdict"], late["words"]) == ("waits", "was added after this drill: hold another")

    [told] = drilled.delivered(kind="drill.seen")
    assert told["title"].startswith("DRILL: ")
    assert drilled.events("trigger.seen") == []
    assert drilled.rows("SELECT 1 FROM sighting WHERE family = 'trigger'") == []


def acknowledge_the_drill(bwm):
    told = bwm.wait_for_alert(kind="drill.seen")
    bwm("ack", told["id"], "--by", "alice")


def test_the_report_names_what_the_policies_would_do_and_cannot(node, tmp_path):
    address = node.new_address()
    node.pay(address, 5_000_000)
    node.mine()
    silent, hook = tmp_path / "silent", tmp_path / "siren"
    for program in (silent, hook):
        program.write_text("#!/bin/sh\nexit 1\n")
        program.chmod(0o755)
    bwm = Bwm(tmp_path / "bwm", node, settings=POLICIES.format(silent=silent, hook=hook))
    bwm("add-vault", "cold", "--address", address)
    bwm.start()
    try:
        hook.unlink()
        report = json.loads(bwm("drill", "--wait", "1s", "--json", exit_code=1).stdout)
    finally:
        bwm.kill()
    broken = {words.partition(":")[0] for words in report["broken"]}
    assert {f"plugin {silent}", f"hook {hook}", "respond sweep"} <= broken
    assert report["stages"][-1]["words"] == "nobody has acknowledged yet"
    assert bwm.rows("SELECT 1 FROM outbox WHERE action <> 'alert'") == []


POLICIES = """
[[policy]]
name = "asked first"
on = ["trigger.seen"]
plugin = "{silent}"
then = [{{ alert = ["owner"], severity = "emergency" }}]

[[policy]]
name = "loud"
on = ["trigger.seen"]
then = [{{ hook = ["{hook}"] }}, {{ respond = "sweep", after = "20m" }}]
"""


def test_what_keeps_a_drill_from_being_held_is_said(drilled):
    assert "no vault" in drilled("drill", "--vault", "hot", exit_code=2).stderr.lower()
    drilled("add-vault", "promise", "--txid", "ab" * 32)
    assert "--outpoint" in drilled("drill", "--vault", "promise", exit_code=1).stderr
    drilled.stop()
    assert "does not run" in drilled("drill", exit_code=1).stderr
    assert drilled.events("drill.seen") == []


def test_a_drill_that_is_due_holds_itself_and_one_that_nobody_answers_is_told(node, tmp_path):
    address = node.new_address()
    settings = '[drill]\nevery = "1d"\nanswer_within = "1m"\n'
    bwm = Bwm(tmp_path / "bwm", node, settings=settings)
    bwm("add-vault", "cold", "--address", address)
    with_setting(bwm, "drill_held_at", 1)
    bwm.start()
    try:
        drill = bwm.wait_for_alert(kind="drill.seen")
        assert drill["vault"] == "cold"
        bwm.stop()
        with_sql(bwm, "UPDATE alert SET created_at = created_at - 120")
        bwm.start()
        missed = bwm.wait_for_alert(kind="drill.missed")
        assert missed["severity"] == "high"
        wait_until(lambda: state_of(bwm, drill["id"]) == "resolved", "the end of the drill")
    finally:
        bwm.kill()


def with_setting(bwm, name, value):
    with_sql(bwm, "INSERT INTO setting (name, value) VALUES (?, ?)", name, str(value))


def with_sql(bwm, statement, *values):
    with closing(sqlite3.connect(bwm.database, timeout=10)) as connection, connection:
        connection.execute(statement, values)


def state_of(bwm, alert_id):
    return next(alert["state"] for alert in bwm.alerts() if alert["id"] == alert_id)
