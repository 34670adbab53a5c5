"""The dead-man switch of a running bwm: what it tells, what a policy makes of it, and what ends it."""

import json
import sqlite3
import time
from contextlib import closing

import pytest

from regtest.node import free_port, wait_until
from tests.api.wallet import ask

DAY = 86_400
SETTINGS = """
[deadman]
period = "30d"
grace = "7d"

[api]
listen = "127.0.0.1:{port}"

[responses]
allow = ["{safe}"]

[[policy]]
name = "somebody says that I am well"
on = ["deadman.checked_in"]
then = [{{ alert = ["owner"], severity = "info" }}]

[[policy]]
name = "no sign of life"
on = ["deadman.missed"]
then = [
  {{ alert = ["owner"], severity = "emergency" }},
  {{ hook = ["{hook}"] }},
  {{ respond = "cold/to-heirs" }},
  {{ respond = "cold/to-heirs", after = "20d", unless = "checked_in" }},
  {{ hook = ["{hook}", "--late"], after = "2d", unless = "checked_in" }},
]
"""


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def bwm(node, make_bwm, folder, port, coin):
    """It watches a coin that a policy moves when nobody checks in. Not started."""
    safe, hook = node.new_address(wallet="safe"), folder / "call"
    bwm = make_bwm(node, settings=SETTINGS.format(port=port, safe=safe, hook=hook))
    hook.write_text(f"#!/bin/sh\ncat > {folder}/called$1\n")
    hook.chmod(0o700)
    bwm("add-vault", "cold", "--outpoint", coin)
    bwm("add-response", "cold", "to-heirs", "--tx", "-", stdin=node.signed_spend(coin, safe))
    bwm("arm", "cold/to-heirs")
    return bwm


def test_silence_is_told_then_acted_on_as_the_policy_says_and_a_check_in_ends_it(node, bwm, coin, folder):
    assert "none is due before" in bwm("status").stdout
    bwm.start()
    begun = wait_until(lambda: bwm.status()["check_in"]["due_at"], "the setting to be seen")
    checked_in = bwm("check-in").stdout
    standing = bwm.status()["check_in"]
    assert (standing["stage"], standing["overdue"]) == ("fine", False)
    assert standing["due_at"] >= begun
    assert standing["due_at"] in checked_in
    assert bwm.wait_for_event("deadman.checked_in")["detail"]["by"] == "the command line"

    bwm.stop()
    ago(bwm, "check_in", "last", "since", days=40)
    bwm.start()
    overdue = bwm.wait_for_alert(kind="deadman.overdue")
    assert overdue["severity"] == "high"
    assert "bwm check-in" in overdue["body"]
    bwm.wait_for_row("SELECT 1 FROM setting WHERE name = 'check_in_told' AND value NOT LIKE '%\"warned_at\": null%'")
    assert "OVERDUE" in bwm("status").stdout
    bwm("ack", "--all", "--by", "owner")
    assert bwm.status()["check_in"]["overdue"], "an acknowledgement is no check-in"

    bwm.stop()
    ago(bwm, "check_in_told", "warned_at", days=2)
    ago(bwm, "check_in_watch", "awake_since", days=2)
    bwm.start()
    missed = bwm.wait_for_alert(kind="deadman.missed")
    assert missed["severity"] == "emergency"
    assert "bwm sends the response cold/to-heirs, unless the owner checks in before" in missed["body"]
    sent = bwm.wait_for_event("response.sent")
    assert (sent["vault"], sent["txid"] in node.mempool()) == ("cold", True)
    bwm.wait_for_event("hook.done")
    assert json.loads((folder / "called").read_text())["kind"] == "deadman.missed"

    bwm("check-in")
    bwm.wait_for_event("deadman.back")
    [alert] = [one for one in bwm.alerts() if one["id"] == missed["id"]]
    assert (alert["kind"], alert["state"]) == ("deadman.missed", "resolved")
    assert bwm.status()["check_in"]["stage"] == "fine"
    bwm.stop()
    with_sql(bwm, "UPDATE outbox SET due_at = 1 WHERE action = 'hook' AND state = 'pending'")
    bwm.start()
    assert "somebody has checked in" in bwm.wait_for_event("hook.dropped")["reason"]
    assert not (folder / "called--late").exists()


def test_the_api_takes_a_check_in_by_post_from_a_token_for_that(bwm, port):
    token, other = (bwm("add-token", scope, "--scope", scope).stdout.strip() for scope in ("check-in", "read"))
    bwm.start()

    def call(method, path="/v1/check-in", token=token):
        return ask(port, method, path, None, {"Authorization": f"Bearer {token}"})

    done = call("POST")
    assert (done.status, done.json["stage"], done.json["overdue"]) == (200, "fine", False)
    assert call("POST").json == done.json
    assert len(bwm.events("deadman.checked_in")) == 1
    assert bwm.events("deadman.checked_in")[0]["detail"]["by"] == "token check-in"
    assert "token check-in" in bwm.wait_for_alert(kind="deadman.checked_in")["body"]
    assert call("GET").status == 405
    assert call("POST", token=other).status == 403
    assert call("GET", "/v1/status").status == 403
    assert bwm.status()["check_in"] == done.json
    assert call("GET", "/v1/status", token=other).json["check_in"] == done.json
    of_some = bwm("add-token", "some", "--scope", "read", "--vault", "alice-*").stdout.strip()
    assert call("GET", "/v1/status", token=of_some).json["check_in"] is None


def test_without_the_section_nobody_can_check_in(make_bwm, node):
    bwm = make_bwm(node)
    assert "[deadman]" in bwm("check-in", exit_code=2).stderr
    assert bwm.status()["check_in"] is None


def ago(bwm, setting, *fields, days):
    """Have what the database keeps of a moment be of so many days ago."""
    kept = json.loads(bwm.rows("SELECT value FROM setting WHERE name = ?", setting)[0]["value"])
    kept |= {field: int(time.time()) - days * DAY for field in fields}
    if "looked_at" in kept:
        kept["looked_at"] = int(time.time())
    with_sql(bwm, "UPDATE setting SET value = ? WHERE name = ?", json.dumps(kept), setting)


def with_sql(bwm, statement, *values):
    with closing(sqlite3.connect(bwm.database, timeout=10)) as connection, connection:
        connection.execute(statement, values)
