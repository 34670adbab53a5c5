"""What may be kept as a response, and how ready it is: the pure rules."""

import pytest

from bwm.chain.outpoint import outpoint_key, parse_outpoint
from bwm.chain.tx import Output, parse_tx
from bwm.errors import ConfigError
from bwm.response.answers import Answer
from bwm.response.check import Ground, examine, examine_child, fee_of, ladder_faults, vsize_of
from bwm.response.readiness import Judgement, Rules, StepFacts, Verdict, judge
from bwm.seal import CannotOpen, Sealer, key_of
from bwm.secret import Secret
from tests.vault_signer import ALL, ANYONECANPAY, NONE, SINGLE, Key, TimelockedVault

VAULT = TimelockedVault(f"{'11' * 32}:0", 5_000_000, Key())
COINS = {
    outpoint_key(VAULT.unvault.txid, 0): Output(VAULT.coin_sats, VAULT.script_pubkey),
    parse_outpoint(VAULT.deposit.outpoint): Output(VAULT.sats, VAULT.deposit.key.script),
}
GROUND = Ground({parse_outpoint(VAULT.deposit.outpoint)}, {VAULT.unvault.txid}, {VAULT.safe.script}, COINS)


def tx(built):
    return parse_tx(bytes.fromhex(built.hex))


def test_a_sound_response_has_no_fault_and_shows_its_flag():
    for built in (VAULT.response(10), VAULT.sweep(10), VAULT.response(0, version=3, anchor=240)):
        found = examine(tx(built), GROUND)
        assert found.faults == ()
        assert found.flags == ("ALL",)
        assert vsize_of(tx(built)) == built.vsize


def test_the_fee_is_what_the_coins_hold_beyond_the_outputs():
    built = tx(VAULT.response(10))
    assert 10 <= fee_of(built, COINS) / vsize_of(built) < 10.2
    assert fee_of(built, {}) is None


@pytest.mark.parametrize(
    ("built", "words"),
    [
        (VAULT.response(10, to=VAULT.thief.script), "not allowed"),
        (VAULT.response(10, anchor=1_001), "1001 sat in an anchor"),
        (VAULT.response(10, sighash=NONE), "signed with NONE"),
        (VAULT.response(10, sighash=SINGLE), "signed with SINGLE"),
        (VAULT.response(10, sighash=NONE | ANYONECANPAY), "NONE|ANYONECANPAY"),
        (TimelockedVault(f"{'22' * 32}:0", 9_000, Key(), safe=VAULT.safe).sweep(1), "neither a watched coin"),
    ],
)
def test_x40_x41_what_could_go_astray_is_a_fault(built, words):
    faults = examine(tx(built), GROUND).faults
    assert any(words in fault for fault in faults), faults


def test_x41_flags_are_found_also_while_the_coin_is_not_known():
    blind = Ground(GROUND.vault_coins, GROUND.trigger_txids, GROUND.allowed)
    assert examine(tx(VAULT.response(10, sighash=SINGLE)), blind).faults
    assert examine(tx(VAULT.response(10)), blind).flags == ("ALL",)


def test_x41_an_unsigned_input_is_a_fault_and_anyonecanpay_a_note():
    bare = VAULT.response(10)
    raw = bytes.fromhex(bare.hex)
    stripped = raw[:4] + raw[6:-4][: len(raw)]  # without marker, flag and witness
    end = 4 + 1 + 41 + 1 + 31
    unsigned = parse_tx(stripped[:end] + raw[-4:])
    assert any("not signed" in fault for fault in examine(unsigned, GROUND).faults)
    notes = examine(tx(VAULT.response(10, sighash=ALL | ANYONECANPAY)), GROUND).notes
    assert any("ANYONECANPAY" in note for note in notes)
    assert any("replaceable" in note for note in examine(tx(VAULT.response(10, sequence=0xFFFFFFFF)), GROUND).notes)


def test_a_child_must_spend_its_parent_and_pay_to_safety():
    parent = VAULT.response(0, version=3)
    child = VAULT.child(parent, parent.outputs[0][0], 5_000)
    known = Ground((), (), GROUND.allowed, {outpoint_key(parent.txid, 0): Output(*parent.outputs[0])})
    assert examine_child(tx(child), tx(parent), known).faults == ()
    other = tx(VAULT.response(7))
    assert any("does not spend an output" in fault for fault in examine_child(tx(child), other, known).faults)
    anchored = VAULT.response(0, version=3, anchor=0)
    careless = VAULT.child(parent, parent.outputs[0][0], 5_000)
    raw = careless.hex.replace(bytes.fromhex(parent.txid)[::-1].hex(), bytes.fromhex(anchored.txid)[::-1].hex())
    left = examine_child(parse_tx(bytes.fromhex(raw)), tx(anchored), known).faults
    assert any("output 1 of 0 sat unspent" in fault for fault in left)
    strange = Ground((), (), (), known.coins)
    assert any("not allowed" in fault for fault in examine_child(tx(child), tx(parent), strange).faults)


def test_two_steps_of_a_ladder_can_never_both_be_mined():
    assert ladder_faults([tx(VAULT.response(1)), tx(VAULT.response(2))]) == []
    assert "two of them could be mined" in ladder_faults([tx(VAULT.response(1)), tx(VAULT.sweep(2))])[0]
    assert "twice" in ladder_faults([tx(VAULT.response(1))] * 2)[0]


GOOD = {
    "feerate": 9_000,
    "own_feerate": 9_000,
    "version": 2,
    "has_child": False,
    "coins_exist": True,
    "coins_spent": False,
    "is_signed": True,
    "answer": Answer.ACCEPTED,
}


def facts(**other):
    return StepFacts(**(GOOD | other))


@pytest.mark.parametrize(
    ("steps", "rules", "verdict", "words"),
    [
        ([facts()], Rules(1000), Verdict.READY, "take it now"),
        ([facts(coins_exist=False, answer=None)], Rules(1000), Verdict.READY, "once its trigger"),
        ([facts(coins_exist=False, is_signed=None, answer=None)], Rules(1000), Verdict.UNPROVEN, "do not exist yet"),
        ([facts(is_signed=None, answer=None)], Rules(1000), Verdict.UNPROVEN, "could not check"),
        ([facts(is_signed=None, answer=None, feerate=None)], Rules(1000), Verdict.UNPROVEN, ""),
        ([facts(is_signed=False)], Rules(1000), Verdict.VOID, "signatures do not hold"),
        ([facts(coins_spent=True)], Rules(1000), Verdict.VOID, "spent by another"),
        ([facts(mined=True, coins_spent=True)], Rules(1000), Verdict.USED, "mined"),
        ([facts()], Rules(10_000), Verdict.VOID, "nothing below 10 sat/vB"),
        ([facts(), facts(feerate=20_000, own_feerate=20_000)], Rules(10_000), Verdict.READY, ""),
        ([facts()], Rules(1000, mining=30_000), Verdict.WEAK, "30 sat/vB"),
        ([facts(), facts(is_signed=False)], Rules(1000), Verdict.WEAK, "step 2 would not do"),
        ([facts(pays_allowed=False)], Rules(1000), Verdict.VOID, "does not allow"),
        ([facts(answer=Answer.BAD, answer_words="no good")], Rules(1000), Verdict.VOID, "no good"),
        ([facts(answer=Answer.AGAINST_POLICY, answer_words="dust")], Rules(1000), Verdict.VOID, "dust"),
        ([facts(answer=Answer.NOT_YET)], Rules(1000), Verdict.READY, "signatures hold"),
        ([facts(own_feerate=0, has_child=True, version=3, answer=None)], Rules(1000), Verdict.READY, ""),
        ([facts(own_feerate=0, has_child=True, answer=None)], Rules(1000), Verdict.VOID, "version 3"),
        ([facts(own_feerate=0, version=3, answer=None)], Rules(1000), Verdict.VOID, "--child"),
        (
            [facts(own_feerate=0, has_child=True, version=3, answer=None)],
            Rules(1000, takes_truc_packages=False),
            Verdict.VOID,
            "mempooltruc=enforce",
        ),
        ([], Rules(1000), Verdict.VOID, "key"),
    ],
)
def test_the_verdict_of_today(steps, rules, verdict, words):
    found = judge(steps, rules)
    assert found.verdict is verdict, found
    assert words in found.reason
    assert found == Judgement(verdict, found.reason)


def test_what_is_sealed_opens_only_with_its_key_and_for_its_place(tmp_path):
    sealer = Sealer(key_of(tmp_path, make=True))
    assert (tmp_path / "sealing.key").stat().st_mode & 0o777 == 0o600
    assert key_of(tmp_path, make=True) == key_of(tmp_path, make=False)
    sealed = sealer.seal(b"the way out", "here")
    assert b"the way out" not in sealed
    assert sealer.open(sealed, "here") == b"the way out"
    assert sealer.seal(b"the way out", "here") != sealed
    for other, text, place in (
        (sealer, sealed, "there"),
        (sealer, sealed[:-1] + bytes([sealed[-1] ^ 1]), "here"),
        (sealer, b"", "here"),
        (Sealer(Secret("00" * 32)), sealed, "here"),
    ):
        with pytest.raises(CannotOpen):
            other.open(text, place)


def test_x29_a_key_that_others_can_read_or_that_is_none_is_refused(tmp_path):
    assert key_of(tmp_path, make=False) is None
    key_of(tmp_path, make=True)
    (tmp_path / "sealing.key").chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        key_of(tmp_path, make=False)
    for text in ("", "00", "zz" * 32):
        with pytest.raises(ConfigError, match="64 hexadecimal"):
            Sealer(Secret(text))
