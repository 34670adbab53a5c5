"""Who counts as one caller, what all have in hand together, and how much a body may hold."""

import json
import time

import pytest

from bwm.api import bodies
from bwm.api.limits import LOCAL, Room, caller_at
from bwm.api.problems import Problem

SCOPE = {"headers": [(b"content-type", b"application/json")]}


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", ""])
def test_this_machine(address):
    assert caller_at(address) == LOCAL


@pytest.mark.parametrize(
    ("one", "other"),
    [("192.0.2.1", "::ffff:192.0.2.1"), ("2001:db8::1", "2001:db8::2:3"), ("fe80::1%eth0", "fe80::2")],
)
def test_the_same_caller(one, other):
    assert caller_at(one) == caller_at(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.1", "192.0.2.2"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2"),
        ("2001:db8::1", "2001:db8:0:1::1"),
        ("unknown", "127.0.0.1"),
        ("192.0.2.1:4711", "127.0.0.1"),
    ],
)
def test_not_the_same_caller(one, other):
    assert caller_at(one) != caller_at(other)


def test_room_is_shared_and_given_back():
    room = Room(total=100, of_one=40)
    with room.part("a") as first, room.part("a") as second, room.part(LOCAL) as third:
        assert first(30)
        assert first(40)
        assert not second(1)  # one caller has his share
        assert third(60)
        assert not third(61)
        with room.part("b") as fourth:
            assert not fourth(1)  # and all together theirs
    with room.part("b") as again:
        assert again(40)


@pytest.mark.parametrize("value", ["[]", "{}", "1", "[[{}]]"])
def test_a_body_of_a_million_values_is_refused_without_being_read(value):
    raw = f'{{"vaults": [{",".join([value] * 1_000_000)}]}}'.encode()
    began = time.process_time()
    with pytest.raises(Problem) as refused:
        bodies.parse(raw, SCOPE)
    assert refused.value.status == 400
    assert time.process_time() - began < 0.1


def test_the_largest_registration_that_finds_room_is_read():
    txids = [f"{number:064x}" for number in range(60_000)]
    vaults = [{"vaultId": str(n), "vaultNumber": n, "triggerTxIds": txids[n::2000]} for n in range(2000)]
    raw = json.dumps({"vaults": vaults}, separators=(",", ":")).encode()
    assert 0.97 * bodies.LARGE < len(raw) < bodies.LARGE
    assert len(bodies.parse(raw, SCOPE)["vaults"]) == 2000
