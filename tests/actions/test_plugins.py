"""Programs for miradord, asked at every block: what they say counts, and what they do wrong harms nobody."""

import json
from pathlib import Path
from typing import Any

import pytest

from bwm.db import schema
from bwm.policy.rule import AlertStep, DeedStep, OnError, Plugin, Policy
from bwm.watch.sighting import Status
from tests.actions.house import House, coin, policy

SAMPLES = Path(__file__).parent / "plugins"

SCRIPT = """#!/usr/bin/env python3
import json, sys
from pathlib import Path
request = json.loads(sys.stdin.readline())
info = request["block_info"]
{body}
"""
LIES = 'print(json.dumps({"revault": ["%s:7" % ("99" * 32)] * 3}))'
JUNK = 'print("revault everything")'
WRONG_SHAPE = 'print(json.dumps({"revault": {"a": 1}}))'
HANGS = "import time; time.sleep(60)"
CRASHES = "raise SystemExit(1)"
FLOODS = 'print("x" * 1000000)'

SEEN, CONFIRMED, FINAL, EVICTED = Status.SEEN, Status.CONFIRMED, Status.FINAL, Status.EVICTED


@pytest.fixture
def sample(program):
    """One of the sample plug-ins, ready to be run."""
    return lambda name: program((SAMPLES / f"{name}.py").read_text(), name)


@pytest.fixture
def requests(tmp_path):
    """A line of Python that notes what a program was told, and those notes."""
    file = tmp_path / "requests"

    class Requests(list[Any]):
        note = f"with open({str(file)!r}, 'a') as file: print(json.dumps(request), file=file)\n"

        @property
        def all(self) -> list[Any]:
            return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    return Requests()


def asking(
    path: str, on_error: OnError = OnError.ALERT, config: Any = None, *, timeout_s: int = 20, **fields: Any
) -> Policy:
    steps = (AlertStep(("owner",)), DeedStep("respond", "safe"))
    return policy(*steps, plugin=Plugin(path, config, timeout_s), on_error=on_error, **fields)


def script(body: str) -> str:
    return SCRIPT.format(body=body)


def failures(home: House) -> list[Any]:
    return list(schema.Event.select().where(schema.Event.kind == "plugin.failed").order_by(schema.Event.seq))


# The samples


def test_one_that_cancels_all_saves_every_vault_once(house, sample):
    home = house(asking(sample("cancel_all"), OnError.HOLD))
    home.block((CONFIRMED, 1), (CONFIRMED, 2))
    home.block()
    home.block((CONFIRMED, 3))
    assert home.saved() == ["v1", "v2", "v3"]


def test_one_that_cancels_none_lets_every_spend_pass(house, sample):
    home = house(asking(sample("cancel_none"), OnError.ACT))
    home.block((SEEN, 1))
    home.block((CONFIRMED, 1), (CONFIRMED, 2))
    home.block()
    assert home.saved() == []
    assert not failures(home)
    assert {verdict for _, verdict in home.answers()} == {False}


def test_one_that_limits_what_is_in_flight_cancels_what_is_above(house, sample, tmp_path):
    home = house(asking(sample("cancel_above"), config={"data_dir": str(tmp_path), "max_value": 1200}))
    home.block((CONFIRMED, 1), (CONFIRMED, 2))
    assert home.saved() == [], "1000 sat are in flight"
    home.block((CONFIRMED, 3))
    assert home.saved() == ["v3"]
    home.block((EVICTED, 3), (FINAL, 1))
    home.block((CONFIRMED, 4))
    assert home.saved() == ["v3"], "1000 sat are in flight again"
    home.block((CONFIRMED, 5), (CONFIRMED, 6))
    assert sorted(home.saved()) == ["v3", "v5", "v6"]


def test_what_comes_in_one_block_is_told_at_once(house, sample, tmp_path):
    """Told one by one, the first would have passed."""
    home = house(asking(sample("cancel_above"), config={"data_dir": str(tmp_path), "max_value": 0}))
    home.block((CONFIRMED, 1), (CONFIRMED, 2), (CONFIRMED, 3))
    assert sorted(home.saved()) == ["v1", "v2", "v3"]


# Every block


def test_it_is_asked_once_at_every_block_also_when_nothing_happened(house, program, requests):
    home = house(asking(program(script(requests.note + 'print(json.dumps({"revault": []}))')), config={"a": 1}))
    home.block()
    home.block((CONFIRMED, 1))
    home.block()
    home.work(3, 60)
    home.block((FINAL, 1))
    told = requests.all
    assert [one["block_height"] for one in told] == [101, 102, 103, 104]
    assert all(one["block_height"] == one["blockheight"] for one in told)
    assert all((one["method"], one["config"]) == ("new_block", {"a": 1}) for one in told)
    assert told[0]["block_info"] == {"new_attempts": [], "successful_attempts": [], "revaulted_attempts": []}
    [attempt] = told[1]["block_info"]["new_attempts"]
    assert (attempt["value"], attempt["deposit_outpoint"]) == (500, coin(1))
    assert told[2]["block_info"] == told[0]["block_info"]
    assert told[3]["block_info"]["successful_attempts"] == [coin(1)]


def test_what_it_let_pass_it_may_cancel_at_a_later_block(house, program):
    body = f'print(json.dumps({{"revault": ["{coin(1)}", "{coin(2)}"] if request["block_height"] > 102 else []}}))'
    home = house(asking(program(script(body))))
    home.block((CONFIRMED, 1))
    home.block((EVICTED, 2))
    assert home.saved() == []
    for _ in range(3):
        home.block()
    assert home.saved() == ["v1"], "once, and nothing that is not in flight"


def test_a_block_that_took_the_place_of_another_is_asked_about(house, program, requests):
    home = house(asking(program(script(requests.note + 'print(json.dumps({"revault": []}))'))))
    home.block()
    home.height -= 1
    home.block(salt="another")
    assert [one["block_height"] for one in requests.all] == [101, 101]


def test_nobody_asks_while_bwm_is_blind(house, program, requests):
    home = house(asking(program(script(requests.note + 'print(json.dumps({"revault": []}))'))))
    schema.Blindness.create(began_at=1, words="syncing")
    home.block()
    assert requests.all == []
    schema.Blindness.update(ended_at=2).execute()
    home.work(1, 1)
    assert len(requests.all) == 1


# Programs that do wrong


@pytest.mark.parametrize(
    ("body", "on_error", "kind", "saved"),
    [
        (LIES, OnError.ACT, "plugin.answered", []),
        (JUNK, OnError.ALERT, "plugin.failed", []),
        (JUNK, OnError.ACT, "plugin.failed", ["v1"]),
        (JUNK, OnError.HOLD, "plugin.failed", []),
        (WRONG_SHAPE, OnError.ALERT, "plugin.failed", []),
        (HANGS, OnError.ALERT, "plugin.failed", []),
        (CRASHES, OnError.ALERT, "plugin.failed", []),
        (FLOODS, OnError.ALERT, "plugin.failed", []),
    ],
    ids=["lies", "junk", "junk-act", "junk-hold", "shape", "hangs", "crashes", "floods"],
)
def test_it_neither_passes_a_theft_nor_burns_the_vault(house, program, body, on_error, kind, saved):
    asked = asking(program(script(body)), on_error, timeout_s=1 if body == HANGS else 20)
    home = house(asked)
    home.tell()
    assert home.theft_is_told(), "the alert does not wait for the program"
    home.work(2)
    assert home.kinds().count(kind) == 1
    assert home.theft_is_told()

    home = house(asked)
    home.block((CONFIRMED, 1))
    assert home.saved()[-1:] == saved


def test_a_break_at_a_block_without_news_is_told_once_and_acts_on_nothing(house, program):
    path = program(script('print(json.dumps({"revault": []}))'))
    home = house(asking(path, OnError.ACT))
    home.block((CONFIRMED, 1))
    program(script(CRASHES))
    for _ in range(3):
        home.block()
    [failed] = failures(home)
    assert f"{path} of policy 'rule' failed when it was asked at block 102" in failed.reason
    assert home.saved() == [], "it had let the spend pass"
    program(script('print(json.dumps({"revault": []}))'))
    home.block()
    program(script(CRASHES))
    home.block()
    assert len(failures(home)) == 2


def test_one_that_comes_back_is_told_what_it_missed_and_may_still_save(house, program, requests):
    home = house(asking(program(script(CRASHES))))
    home.block((CONFIRMED, 1), (CONFIRMED, 2))
    home.block((EVICTED, 2))
    assert home.saved() == []
    program(script(f'{requests.note}print(json.dumps({{"revault": ["{coin(1)}", "{coin(2)}"]}}))'))
    home.block()
    assert home.saved() == ["v1"]
    info = requests.all[-1]["block_info"]
    assert [one["deposit_outpoint"] for one in info["new_attempts"]] == [coin(1)]
    assert info["revaulted_attempts"] == [coin(2)]
    home.block()
    assert requests.all[-1]["block_info"]["new_attempts"] == []
    assert home.saved() == ["v1"]


def test_a_policy_that_was_changed_asks_anew_about_what_is_in_flight(house, sample):
    home = house(asking(sample("cancel_none")))
    home.block((CONFIRMED, 1), (CONFIRMED, 2))
    home.block((FINAL, 2))
    home.start(asking(sample("cancel_all"), version="2"))
    home.block()
    assert home.saved() == ["v1"]


def test_two_policies_of_one_program_each_act_for_themselves(house, sample):
    path = sample("cancel_all")
    first, second = asking(path), asking(path, OnError.HOLD)
    home = house(first, Policy("other", "1", ("trigger.seen",), None, second.steps, plugin=second.plugin))
    home.block((SEEN, 1))
    home.block((CONFIRMED, 2))
    assert home.saved() == ["v1", "v1", "v2"]
