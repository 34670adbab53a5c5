"""Policies on a real node: who is told, what is run, and what an announcement makes quiet."""

import hashlib
import hmac
import json
import time
from pathlib import Path

import pytest

from regtest.node import wait_until
from tests.node.response_stage import allow, fund, protect

KEY = "022f8bde4d1a07209355b4a7250a5c5128e88b84bddc619ab7cba8d569b240efe4"
SECRET_KEY = "cMahea7zqjxrtgAbB7LSGbcQUr1uX1ojuat9jZodMN87Lc8ycuM4"  # the number five, for regtest
SECRET = "0123456789abcdef0123456789abcdef"
SAMPLE = Path(__file__).parent.parent / "actions" / "plugins" / "cancel_above.py"

PEOPLE = """
[[channel]]
name = "family"
kind = "file"
path = "{home}/family.jsonl"
people = ["family"]
"""

POLICIES = """
[[webhook]]
name = "siren"
url = "{url}"
secret = "0123456789abcdef0123456789abcdef"

[[policy]]
name = "theft"
on = ["trigger.seen"]
instead = true
when = {{ vault = "cold*", announced = false, sats_at_least = 1_000_000 }}
then = [
  {{ alert = ["family"], severity = "critical" }},
  {{ hook = ["{home}/siren", "--loud"], timeout = "10s" }},
  {{ webhook = "siren" }},
  {{ hook = ["{home}/siren", "--late"], after = "1h", unless = "acknowledged" }},
]
"""

SIREN = """#!/bin/sh
{{ echo "$@"; cat; env; }} > {home}/siren.$1
"""


@pytest.fixture
def home(folder):
    return folder / "bwm"


@pytest.fixture
def cold(make_bwm, node, coin, home, receiver):
    """A running bwm with a policy for thefts; its vault watches ``coin``."""
    settings = PEOPLE.format(home=home) + POLICIES.format(home=home, url=receiver.url("http", "hook"))
    bwm = make_bwm(node, settings=settings)
    (home / "siren").write_text(SIREN.format(home=home))
    (home / "siren").chmod(0o700)
    bwm("add-vault", "cold", "--outpoint", coin)
    bwm.start()
    return bwm


def family(home):
    """What the family was told."""
    file = home / "family.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_a_theft_is_told_to_the_people_of_the_policy_and_its_deeds_are_done(node, cold, coin, thief, home, receiver):
    theft = node.spend(coin, thief)

    [told] = wait_until(lambda: family(home), "the family's alert")
    assert (told["severity"], told["vault"], told["txid"]) == ("critical", "cold", theft)

    cold.wait_for_event("hook.done", txid=theft)
    arguments, event, *environment = (home / "siren.--loud").read_text().splitlines()
    seen = cold.wait_for_event("trigger.seen", txid=theft)
    assert arguments == "--loud"
    assert {name: json.loads(event)[name] for name in ("seq", "kind", "vault", "txid", "sats")} == {
        "seq": seen["seq"],
        "kind": "trigger.seen",
        "vault": "cold",
        "txid": theft,
        "sats": 5_000_000,
    }
    names = {line.partition("=")[0] for line in environment}
    assert names <= {"PATH", "LANG", "BWM_ORDER", "BWM_ATTEMPT", "PWD", "SHLVL", "_", "OLDPWD"}

    [call] = receiver.wait_for()
    headers = {name.lower(): value for name, value in call.headers.items()}
    stamp, code = (part.partition("=")[2] for part in headers["x-bwm-signature"].split(","))
    assert abs(int(stamp) - time.time()) < 60
    assert code == hmac.new(SECRET.encode(), f"{stamp}.".encode() + call.body, hashlib.sha256).hexdigest()
    assert json.loads(call.body)["txid"] == theft

    [decided] = cold.events("policy.decided")
    assert (
        decided["reason"]
        == "policy 'theft' acts on trigger.seen: its vault is cold, 5,000,000 sat moved, it was not announced"
    )
    assert [order["action"] for order in decided["detail"]["orders"]] == ["hook", "webhook", "hook"]
    assert cold.delivered(txid=theft) == [], "the owner is not among the people of the policy"

    assert "hook" in cold("veto", decided["detail"]["decision"], "--by", "alice").stdout
    assert cold.wait_for_event("policy.vetoed")["detail"]["by"] == "alice"
    differing = cold("replay", "--from", "1h")
    assert differing.stdout == ""
    assert "0 with another decision" in differing.stderr


def test_an_announced_spend_is_quiet_and_the_next_one_is_not(node, cold, home):
    wallet, own = node.new_address(wallet="hot"), node.new_address()
    coins = [node.pay(own, 2_000_000), node.pay(own, 2_000_000)]
    node.mine()
    for number, coin in enumerate(coins):
        cold("add-vault", f"cold-{number}", "--outpoint", coin)
    cold("announce", "cold-0", "--to", f"{wallet}:2000000", "--within", "30m")
    cold("announce", "cold-1", "--to", f"{wallet}:1000000", "--within", "30m")
    wait_until(lambda: cold.status()["vaults"] == 3, "the vaults")

    announced, more = node.spend(coins[0], wallet), node.spend(coins[1], wallet)

    cold.wait_for_event("announcement.met", txid=announced)
    broken = cold.wait_for_event("announcement.broken", txid=more)
    assert "sat more than announced" in broken["reason"]
    wait_until(lambda: [line for line in family(home) if line["txid"] == more], "the loud one")
    alerts = {alert["vault"]: alert for alert in cold.alerts() if alert["kind"].startswith("trigger.")}
    assert (alerts["cold-0"]["severity"], alerts["cold-0"]["state"]) == ("info", "resolved")
    assert (alerts["cold-1"]["severity"], alerts["cold-1"]["state"]) == ("critical", "open")
    rows = {row["vault"]: row for row in cold.json("list-announcements")}
    assert (rows["cold-0"]["state"], rows["cold-0"]["met_by"], rows["cold-1"]["state"]) == ("met", announced, "open")

    node.mine()
    cold.wait_for_event("trigger.confirmed", txid=announced)
    [quiet] = [alert for alert in cold.alerts() if alert["vault"] == "cold-0" and alert["kind"] == "trigger.seen"]
    assert (quiet["severity"], quiet["state"]) == ("info", "resolved")
    assert [event["txid"] for event in cold.events("policy.decided")] == [more]

    blocks = cold("replay", "--blocks", "--from", node.height, "--json")
    again = [json.loads(line) for line in blocks.stdout.splitlines()]
    assert {one["event"]["txid"] for one in again} >= {announced, more}


ARMED = """
[[policy]]
name = "robbery"
on = ["trigger.seen"]
when = {{ vault = "cold", announced = false }}
then = [{{ alert = ["owner"] }}, {{ respond = "safe", approval = "2h" }}]

[announcements]
must_sign = true
keys = {{ owner = "{key}" }}
"""


def test_a_policy_answers_a_robbery_when_a_person_says_yes_and_a_forged_announcement_does_not_stop_it(node, make_bwm):
    vault = fund(node)
    bwm = make_bwm(node, settings=allow(vault) + ARMED.format(key=KEY))
    protect(bwm, vault, [vault.response(20)])
    bwm("arm", "cold/safe")
    bwm.start()

    announcement = ("announce", "cold", "--txid", vault.unvault.txid)
    message, signature = bwm.home / "message", bwm.home / "signature"
    assert "signature is missing" in bwm(*announcement, exit_code=2).stderr
    message.write_text(bwm(*announcement, "--print-message").stdout)
    signature.write_text(node.rpc("signmessagewithprivkey", SECRET_KEY, "another text"))
    assert (
        "is by none of the keys" in bwm("announce", "--message", message, "--signature", signature, exit_code=2).stderr
    )
    assert len(bwm.events("announcement.refused")) == 2
    bwm.wait_for_alert(kind="announcement.refused", severity="high")

    node.send(vault.unvault.hex)
    decided = bwm.wait_for_event("policy.decided", txid=vault.unvault.txid)
    assert decided["detail"]["orders"][0]["action"] == "respond"
    assert bwm.events("response.decided") == [], "nobody has said yes"
    bwm("approve", decided["detail"]["decision"], "--by", "alice")
    sent = bwm.wait_for_event("response.sent")
    assert sent["txid"] in node.mempool()

    signature.write_text(node.rpc("signmessagewithprivkey", SECRET_KEY, message.read_text().strip()))
    bwm("announce", "--message", message, "--signature", signature)
    assert "was made before" in bwm("announce", "--message", message, "--signature", signature, exit_code=2).stderr
    [listed] = bwm.json("list-announcements")
    assert (listed["state"], listed["signed_by"]) == ("open", "owner")
    bwm("cancel-announcement", listed["id"])
    assert bwm.json("list-announcements")[0]["state"] == "cancelled"
    assert "is cancelled already" in bwm("cancel-announcement", listed["id"], exit_code=2).stderr


def test_policies_are_explained_and_what_cannot_be_run_is_said(node, make_bwm, home):
    bwm = make_bwm(node, settings=PEOPLE.format(home=home) + POLICIES.format(home=home, url="http://127.0.0.1:9"))
    wrong = bwm("check-policies", exit_code=1)
    assert f"WRONG: {home}/siren cannot be run: No such file" in wrong.stdout
    (home / "siren").write_text("#!/bin/sh\n")
    (home / "siren").chmod(0o755)
    told = bwm("check-policies").stdout
    assert "1. Alert family, as critical." in told
    assert f"2. Run {home}/siren --loud." in told
    assert "4. After 1 hour run" in told
    assert bwm.json("check-policies")["policies"][0]["faults"] == []
    other = bwm.home / "other.toml"
    text = '[[policy]]\nname = "x"\non = ["trigger.seen"]\nthen = [{ respond = "safe" }]\n'
    other.write_text(f"{text}\n{text.replace('trigger.seen', 'deadman.missed').replace('x', 'y')}")
    bwm("list-vaults")  # makes the database
    doubts = bwm("check-policies", other).stdout
    assert "a response is sent at once" in doubts
    assert "no vault has a response 'safe'" in doubts
    assert "no check-ins are wanted" in doubts
    assert "a check-in does not call off respond safe" in doubts


LIMITED = """
[[policy]]
name = "limit"
on = ["trigger.confirmed", "trigger.final"]
plugin = "{home}/cancel_above"
config = {{ data_dir = "{home}", max_value = 6_000_000 }}
then = [{{ respond = "safe" }}]
"""


def test_a_plugin_for_miradord_lets_spends_pass_up_to_a_sum_and_has_the_next_one_answered(node, make_bwm, home):
    vaults = [fund(node) for _ in range(2)]  # 5,000,000 sat each
    bwm = make_bwm(node, settings=allow(*vaults) + LIMITED.format(home=home))
    program = home / "cancel_above"
    program.write_text(SAMPLE.read_text())
    program.chmod(0o700)
    steps = [vault.response(20) for vault in vaults]
    for number, vault in enumerate(vaults):
        protect(bwm, vault, [steps[number]], name=f"cold-{number}")
    bwm.start()

    node.mine_exactly([vaults[0].unvault.hex])
    passed = bwm.wait_for_event("plugin.answered", txid=vaults[0].unvault.txid)
    assert passed["detail"]["revault"] is False
    node.mine_exactly([vaults[1].unvault.hex])
    assert bwm.wait_for_event("response.sent")["txid"] == steps[1].txid
    assert steps[0].txid not in node.mempool()
    assert bwm.events("response.decided", vault="cold-0") == []


FAMILY = """
[[policy]]
name = "family"
on = ["trigger.confirmed"]
when = { vault = "cold-*", count = { kind = "trigger.*", vaults = 2, within = "1d" } }
then = [{ respond = ["cold-0/safe", "cold-1/safe", "cold-2/safe"] }]
"""


def test_two_vaults_that_are_robbed_bring_the_third_to_safety_and_one_does_not(node, make_bwm):
    vaults = [fund(node) for _ in range(3)]
    steps = [vaults[0].response(20), vaults[1].response(20), vaults[2].sweep(20)]
    bwm = make_bwm(node, settings=allow(*vaults) + FAMILY)
    for number, vault in enumerate(vaults):
        protect(bwm, vault, [steps[number]], name=f"cold-{number}")
    bwm.start()
    node.mine_exactly([vaults[0].unvault.hex])
    bwm.wait_for_event("trigger.confirmed", txid=vaults[0].unvault.txid)
    node.mine_exactly([vaults[1].unvault.hex])
    for number, step in enumerate(steps):
        assert bwm.wait_for_event("response.sent", vault=f"cold-{number}")["txid"] == step.txid
    first = bwm.events("response.decided")[0]
    assert first["seq"] > bwm.events("trigger.confirmed", txid=vaults[1].unvault.txid)[0]["seq"]
    assert {step.txid for step in steps} <= node.mempool()
