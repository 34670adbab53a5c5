"""Every kind of event is described, with its severity; and the alert that is shown is as real ones are."""

import re

from bwm.event import Event
from bwm.policy.kinds import UNTOLD, every_kind
from bwm.wording import Telling, tell
from tests.docs import kinds
from tests.docs.readme import TEXT, blocks, rows, section

KIND = re.compile(r"`(\w+\.\w+)`")


def described() -> dict[str, str]:
    """Every kind that stands in a table, with its severity as written there."""
    found = {}
    for cells in rows(section("Events")):
        found |= dict.fromkeys(KIND.findall(cells[0]), cells[1])
    for began, ended, severity, *_ in rows(section("Troubles")):
        found |= dict.fromkeys(KIND.findall(began), severity) | dict.fromkeys(KIND.findall(ended), "info")
    return found


def test_every_kind_is_described_and_no_other():
    assert sorted(described()) == sorted(kinds.of_events())


def test_every_kind_has_the_severity_that_the_readme_says():
    in_code = kinds.with_severity()
    assert {kind: severity for kind, severity in described().items() if kind in in_code} == in_code


def test_what_stays_in_the_journal_is_what_check_policies_says():
    assert {kind for kind, severity in described().items() if severity == "not told"} == set(UNTOLD)


def test_no_kind_is_named_in_passing_that_there_is_not():
    named = set(re.findall(rf"`({kinds.KIND.pattern})`", TEXT))
    assert named - kinds.of_events() == kinds.of_messages()


def test_every_kind_can_be_named_by_a_policy():
    assert sorted(every_kind()) == sorted(kinds.of_events())


def test_every_field_is_described():
    names = {name for cells in rows(section("Events")) for name in re.findall(r"`(\w+)`", cells[0])}
    assert set(Event(key="", kind="", at=0, network="", reason="").as_json()) <= names


def test_the_alert_that_is_shown_reads_as_a_real_one():
    [shown] = [block for block in blocks(text=section("The demo")) if "on the phone" in block]
    title, *body = re.findall(r"^  \|(?: (.*))?$", shown, re.MULTILINE)
    [txid], [address] = re.findall(r"Transaction: (\w+)", shown), re.findall(r"Address: (\w+)", shown)
    [alert_id] = re.findall(r", alert (\w+)", shown)
    event = Event(
        key="",
        kind="trigger.seen",
        at=1795251835,
        network="regtest",
        reason="spends a watched outpoint",
        vault="cold-storage",
        trigger_kind="script",
        trigger_key=address,
        txid=txid,
        sats=50_000_000,
        seq=1,
    )
    [code] = re.findall(r"bwm ack (\S+)", shown)
    text = tell(event, event, Telling(alert_id, event.at, repeats_at=event.at + 60, answer_code=code))
    assert (title, body[: body.index("")]) == (text.title, text.body.splitlines())
