"""What the node's answers mean. The words are those that Bitcoin Core 29 and Knots 29 say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwm.response.answers import MEANING, Answer, Deed, read_answer


@pytest.mark.parametrize(
    ("code", "words", "deed"),
    [
        (-27, "Transaction outputs already in utxo set", Deed.LOOK),
        (-27, "whatever a later version says", Deed.LOOK),
        (-25, "bad-txns-inputs-missingorspent", Deed.LOOK),
        (-25, "Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)", Deed.SET_ASIDE),
        (-25, "Unspendable output exceeds maximum configured by user (maxburnamount)", Deed.SET_ASIDE),
        (-26, "min relay fee not met, 110 < 121", Deed.RAISE),
        (-26, "mempool min fee not met, 110 < 121", Deed.RAISE),
        (-26, "insufficient fee, rejecting replacement 9d1e, less fees than conflicting txs", Deed.RAISE),
        (-26, "txn-mempool-conflict", Deed.RAISE),
        (-26, "non-final", Deed.WAIT),
        (-26, "non-BIP68-final", Deed.WAIT),
        (-26, "mempool-script-verify-flag-failed (Signature must be zero)", Deed.SET_ASIDE),
        (
            -26,
            "mandatory-script-verify-flag-failed (Script evaluated without error)",
            Deed.SET_ASIDE,
        ),
        (-26, "dust", Deed.RAISE),
        (-26, "TRUC-violation, version=3 tx is too big", Deed.RAISE),
        (-22, "TX decode failed. Make sure the tx has at least one input.", Deed.SET_ASIDE),
        (-1, "something that nobody has seen", Deed.AGAIN),
        (-32603, "internal", Deed.AGAIN),
        (None, "txn-already-in-mempool", Deed.FOLLOW),
        (None, "txn-already-known", Deed.LOOK),
        (None, "missing-inputs", Deed.LOOK),
        (None, "max-fee-exceeded", Deed.SET_ASIDE),
    ],
)
def test_each_answer_has_its_deed(code, words, deed):
    assert MEANING[read_answer(code, words)].deed is deed


def test_every_answer_has_a_meaning_in_words():
    assert set(MEANING) == set(Answer)
    assert all(meaning.words for meaning in MEANING.values())


@given(st.none() | st.integers(-40_000, 0), st.text(alphabet="xyz -,0123456789"))
def test_what_is_unknown_is_never_permanent(code, words):
    answer = read_answer(code, words)
    assert answer is Answer.BAD if code == -22 else MEANING[answer].deed is not Deed.SET_ASIDE
