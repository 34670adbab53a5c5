"""The guardian's signal grammar: every conformance vector, and any bytes at all."""

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bwm.guardian.grammar import (
    MAX_NONCE,
    Payload,
    Rejected,
    apparent_intent,
    looks_like_guardian,
    parse_payload,
    parse_script,
)

LINE = re.compile(r"(?P<id>V\d+) (?P<form>[AH]) (?P<verdict>(?:lock|unlock|REJECT) \S+) +(?P<data>.*?)   ; .*|")
VECTORS = (Path(__file__).parents[1] / "data" / "guardian" / "scripts.txt").read_text().splitlines()


def vector(line):
    """(id, scriptPubKey, verdict) of one line of scripts.txt; its notes after the semicolon are for people."""
    line = line if ";" in line else f"{line}   ; "
    found = LINE.fullmatch(line)
    assert found, line
    data = found["data"]
    if found["form"] == "H":
        script = bytes.fromhex("" if data == "(nothing)" else data)
    else:
        payload = re.sub(rb"\\x([0-9a-f]{2})", lambda byte: bytes.fromhex(byte[1].decode()), data.encode())
        script = bytes((0x6A, len(payload))) + payload
    return found["id"], script, found["verdict"]


def recognise(payload):
    """The grammar again, a byte at a time and without a regular expression: (lock, nonce), or None."""
    for word, lock in ((b"true", True), (b"false", False)):
        head = b"guardv1.Lock=" + word + b"#"
        if payload[: len(head)] != head:
            continue
        digits = payload[len(head) :]
        if not 1 <= len(digits) <= 10 or (digits[0] == 0x30 and len(digits) > 1):
            return None
        nonce = 0
        for digit in digits:
            if not 0x30 <= digit <= 0x39:
                return None
            nonce = nonce * 10 + digit - 0x30
        return (lock, nonce) if nonce < 1 << 32 else None
    return None


def as_tuple(parsed):
    return (parsed.lock, parsed.nonce) if isinstance(parsed, Payload) else None


def test_every_vector_is_there():
    assert [vector(line)[0] for line in VECTORS] == [f"V{n:03}" for n in range(1, 79)]


@pytest.mark.parametrize("line", VECTORS, ids=lambda line: line[:4])
def test_x34_a_vector_gets_its_verdict(line):
    _, script, verdict = vector(line)
    parsed = parse_script(script)
    assert (f"REJECT {parsed.reason}" if isinstance(parsed, Rejected) else str(parsed)) == verdict


PIECES = st.sampled_from(
    [b"guardv1", b".Lock", b"=", b"true", b"false", b"#", b"0", b"1", b"9", b"4294967295", b"4294967296", b"\n"]
)
NEAR_PAYLOADS = st.one_of(
    st.binary(max_size=80),
    st.lists(PIECES, max_size=12).map(b"".join),
    st.builds(
        lambda word, rest: b"guardv1.Lock=" + word + b"#" + rest,
        st.sampled_from([b"true", b"false"]),
        st.one_of(st.binary(max_size=12), st.integers(0, 1 << 33).map(lambda n: str(n).encode())),
    ),
)


@given(NEAR_PAYLOADS)
@example("guardv1.Lock=true#٢".encode())
@example(b"guardv1.Lock=true#" + b"9" * 5000)
def test_x34_exactly_the_language_of_the_grammar_is_accepted(payload):
    assert as_tuple(parse_payload(payload)) == recognise(payload)


@given(st.one_of(st.binary(max_size=120), NEAR_PAYLOADS.map(lambda tail: b"\x6a" + tail)))
def test_x34_a_script_is_accepted_only_as_one_direct_push(script):
    pushed = script[2:] if script[:1] == b"\x6a" and script[1:2] == bytes([len(script) - 2 & 0xFF]) else b""
    assert as_tuple(parse_script(script)) == recognise(pushed)


@given(st.booleans(), st.integers(0, MAX_NONCE))
def test_what_is_written_is_read_back(lock, nonce):
    payload = Payload(lock, nonce)
    assert parse_script(payload.to_script()) == payload
    assert 21 <= len(payload.to_script()) <= 31


@given(NEAR_PAYLOADS)
def test_every_valid_payload_looks_like_a_guardian_signal(payload):
    if isinstance(parse_payload(payload), Payload):
        assert looks_like_guardian(payload)


@pytest.mark.parametrize(
    ("script", "intent"),
    [
        (b"GuardV1.lock=TRUE#2", "lock"),
        (b"guardv1.Lock=False #3", "unlock"),
        (b"guardv1.Lock=1#2", "unclear"),
        (b"guardv1.Unlock=true#2", "unclear"),
    ],
)
def test_the_apparent_intent_of_a_malformed_signal_is_told(script, intent):
    assert looks_like_guardian(script)
    assert apparent_intent(script) == intent


def test_other_data_does_not_look_like_a_guardian_signal():
    assert not looks_like_guardian(b"\x6a\x05hello")
