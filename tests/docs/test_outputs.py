"""The JSON that the README shows has the fields that the commands print."""

import json
from typing import Any

import pytest

from tests.docs.readme import blocks, section

SATS = 5_000_000
DOCUMENTS = ("status", "list-vaults", "list-guardians", "list-channels", "list-responses", "doctor")


def shown(heading: str) -> Any:
    """The JSON that the README shows below a heading."""
    [block] = blocks("json", section(heading))
    return json.loads(block)


def assert_alike(told: Any, real: Any, path: str = "") -> None:
    """Both have the same fields, at every depth. A null or an empty list stands for anything."""
    if not told or not real:
        return
    if isinstance(told, list):
        assert_alike(told[0], real[0], f"{path}[]")
    elif path == ".unwatched_s":  # the names of vaults
        assert_alike([*told.values()], [*real.values()], path)
    elif isinstance(told, dict):
        assert sorted(told) == sorted(real), f"at {path or 'the top'}"
        for name in told:
            assert_alike(told[name], real[name], f"{path}.{name}")


@pytest.fixture
def printed(node, make_bwm, receiver):
    """What each command prints, with a vault, its response, a guardian, a lock and a theft behind it."""
    safe = node.new_address(wallet="safe")
    bwm = make_bwm(node, receiver_url=receiver.url(), settings=f'[responses]\nallow = ["{safe}"]\n')
    address, guardian = node.new_address(), node.new_address(wallet="guardian")
    coin, first = node.pay(address, SATS), node.pay(guardian, SATS)
    node.mine()
    unlock = node.spend(first, guardian, data=b"guardv1.Lock=false#1", wallet="guardian")
    node.mine()
    lock = node.signed_spend(f"{unlock}:0", guardian, data=b"guardv1.Lock=true#2", wallet="guardian")
    bwm("add-vault", "cold", "--address", address)
    bwm("add-guardian", "family", guardian, "--vault", "cold")
    bwm("add-response", "--guardian", "family", "--tx", "-", stdin=lock)
    bwm("add-response", "cold", "to-safety", "--tx", "-", "--budget", 9_000, stdin=node.signed_spend(coin, safe))
    bwm.start()
    node.spend(coin, node.new_address(wallet="thief"))
    bwm.wait_for_alert(kind="trigger.seen")
    receiver.wait_for(text="being moved")
    shown = {
        **{name: bwm.json(name) for name in DOCUMENTS},
        "show-guardian": bwm.json("show-guardian", "family"),
        "alerts": bwm.alerts()[-1],
        "events": bwm.json_lines("events")[-1],
        "file": bwm.delivered()[-1],
    }
    bwm.stop()  # what is read twice now is the same
    lists = {name: bwm.json_lines(name) for name in ("alerts", "events")}
    return shown | {"export": json.loads(bwm("export").stdout), "of lists": lists}


def test_the_json_of_the_readme_is_what_is_printed(printed):
    for name in (*DOCUMENTS, "show-guardian", "alerts"):
        assert_alike(shown(f"`bwm {name} --json`"), printed[name])
    assert_alike(json.loads(blocks("json", section("Events"))[0]), printed["events"])
    assert_alike(shown("A line of a `file` channel"), printed["file"])
    assert_alike(shown("`bwm export`"), printed["export"])
    assert {name: printed["export"][name] for name in ("alerts", "events")} == printed["of lists"]
    assert [vault["name"] for vault in printed["export"]["vaults"]] == ["cold"]
    assert [guardian["name"] for guardian in printed["export"]["guardians"]] == ["family"]
