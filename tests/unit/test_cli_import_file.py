"""Many vaults from one file: both formats mean the same, every error names its line, nothing is added by halves."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwm.chain.network import network
from bwm.cli.import_file import read_vaults
from bwm.daemon.registration import Wish
from bwm.errors import UsageError
from bwm.severity import Severity

MAIN = network("main")
USUAL = Wish(name="", severity=Severity.HIGH, final_depth=9, tags=("imported",))
ADDRESS = "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"
OTHER_ADDRESS = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
TXID = "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b"
DESCRIPTOR = "wsh(sortedmulti(2,xpubA/0/*,xpubB/0/*))#checksum"


def refusal(text: str) -> str:
    with pytest.raises(UsageError) as refused:
        read_vaults(text, MAIN, USUAL)
    return str(refused.value)


def test_json_gives_every_field_of_a_vault():
    text = json.dumps(
        [
            {
                "name": "cold",
                "txids": [TXID],
                "outpoints": [f"{TXID}:0"],
                "addresses": [ADDRESS],
                "descriptors": [DESCRIPTOR],
                "birthday": 840000,
                "severity": "critical",
                "final_depth": 3,
                "tags": ["family"],
            },
            {"name": "warm", "addresses": [OTHER_ADDRESS], "birthday": "2024-04-20"},
        ]
    )
    cold, warm = read_vaults(text, MAIN, USUAL)
    assert cold == Wish(
        name="cold",
        txids=(TXID,),
        outpoints=(f"{TXID}:0",),
        addresses=(ADDRESS,),
        descriptors=(DESCRIPTOR,),
        birthday="840000",
        severity=Severity.CRITICAL,
        final_depth=3,
        tags=("imported", "family"),
    )
    assert (warm.birthday, warm.severity, warm.final_depth, warm.tags) == ("2024-04-20", "high", 9, ("imported",))


def test_csv_says_the_same_as_json():
    text = (
        "name,txid,outpoint,address,descriptor,birthday,severity,final_depth,tags\n"
        f'cold,{TXID},{TXID}:0,{ADDRESS},"{DESCRIPTOR}",840000,critical,3,family two\n'
    )
    [cold] = read_vaults(text, MAIN, USUAL)
    assert cold.descriptors == (DESCRIPTOR,)
    assert (cold.txids, cold.outpoints, cold.addresses) == ((TXID,), (f"{TXID}:0",), (ADDRESS,))
    assert (cold.birthday, cold.severity, cold.final_depth) == ("840000", Severity.CRITICAL, 3)
    assert cold.tags == ("imported", "family", "two")


def test_rows_of_one_name_are_one_vault():
    text = f"name,address,severity\ncold,{ADDRESS},low\n".replace("low", "info") + f"cold,{OTHER_ADDRESS},\n"
    [cold] = read_vaults(text, MAIN, USUAL)
    assert cold.addresses == (ADDRESS, OTHER_ADDRESS)
    assert cold.severity == Severity.INFO


def test_what_list_vaults_prints_can_be_read_again():
    printed = [
        {
            "name": "cold",
            "tags": ["a"],
            "severity": "high",
            "birthday": None,
            "final_depth": 6,
            "covered_from": 100,
            "triggers": [
                {"kind": "script", "key": ADDRESS, "status": "armed", "txid": None},
                {"kind": "txid", "key": TXID, "status": "seen", "txid": TXID},
                {"kind": "outpoint", "key": f"{TXID}:1", "status": "armed", "txid": None},
                {"kind": "descriptor", "key": DESCRIPTOR, "status": "armed", "txid": None},
            ],
        }
    ]
    [cold] = read_vaults(json.dumps(printed, indent=2), MAIN, Wish(name=""))
    assert (cold.addresses, cold.txids) == ((ADDRESS,), (TXID,))
    assert (cold.outpoints, cold.descriptors) == ((f"{TXID}:1",), (DESCRIPTOR,))
    assert cold.birthday is None


def test_objects_may_stand_a_line_each_without_a_list():
    text = "".join(f'{{"name": "{name}", "addresses": ["{ADDRESS}"]}}\n' for name in "abc")
    assert [wish.name for wish in read_vaults(text, MAIN, USUAL)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("name,adress\n", 1, "unknown column 'adress'"),
        (f"name,address\nok,{ADDRESS}\nbad,nonsense\n", 3, "'nonsense'"),
        (f"name,address\nok,{ADDRESS}\n,{ADDRESS}\n", 3, "needs a name"),
        ("name,txid\na,abc\n", 2, "64 hexadecimal digits"),
        (f"name,outpoint\na,{TXID}\n", 2, "TXID:VOUT"),
        (f"name,address\na,{ADDRESS},more\n", 2, "more cells"),
        (f"name,address,severity\na,{ADDRESS},loud\n", 2, "info, warning, high"),
        (f"name,address,final_depth\na,{ADDRESS},0\n", 2, "at least 1"),
        ('name,address\n"a,b\n', 2, "no valid CSV"),
        ('[\n {"name": "a"},\n {"name": "b", "adresses": []}\n]', 3, "unknown key 'adresses'"),
        ('[\n {"name": "a"},\n {"name": 5}\n]', 3, "needs a name"),
        ('[\n {"name": "a",\n  "txids": "one"}\n]', 2, "txids must be a list of texts"),
        ('[\n {"name": "a"},\n {"name": \n]', 4, "no valid JSON"),
        ('[\n {"name": "a"},\n "b"\n]', 3, "must be an object"),
        ('{"name": "a", "triggers": 5}', 1, "triggers must be a list"),
        ('{"name": "a", "triggers": [{"kind": "guardian", "key": "x"}]}', 1, "txid, outpoint, script, descriptor"),
        ('{"name": "a", "triggers": [{"kind": [], "key": "x"}]}', 1, "txid, outpoint, script, descriptor"),
        ('{"name": "a", "triggers": [{"kind": "txid"}]}', 1, "txids must be a list of texts"),
        ('{"name": "a", "final_depth": ' + "9" * 5000 + "}", 1, "no valid JSON"),
        ('{"name": ' + "[" * 100_000 + "}", 1, "no valid JSON"),
        ('[{"name": "a"}\n', 1, "a list that begins with [ ends with ]"),
    ],
)
def test_an_error_names_its_line_and_says_that_nothing_was_added(text, line, words):
    said = refusal(text)
    assert said.startswith(f"Line {line}: ")
    assert words in said
    assert said.endswith("Nothing was added.")


@pytest.mark.parametrize("text", ["", "\n", "[]", "name,address\n"])
def test_a_file_without_vaults_is_refused(text):
    assert "no vault" in refusal(text)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["kind", "key", "a"]), inner),
    max_leaves=5,
)
KEYS = ("name", "txids", "addresses", "tags", "birthday", "severity", "final_depth", "triggers", "covered_from")


@given(st.dictionaries(st.sampled_from(KEYS), JSON_VALUES))
def test_any_object_is_either_a_vault_or_a_refusal(fields):
    try:
        [wish] = read_vaults(json.dumps({"name": "a"} | fields), MAIN, USUAL)
    except UsageError as error:
        assert str(error).startswith("Line 1: ")  # noqa: PT017 - a vault is as good
    else:
        assert wish.name == fields.get("name", "a")


@given(st.text(max_size=200))
def test_any_text_is_either_vaults_or_a_refusal(text):
    for form in (text, "[" + text, "{" + text, f"name,address\n{text}"):
        try:
            wishes = read_vaults(form, MAIN, USUAL)
        except UsageError:
            continue
        assert all(wish.name for wish in wishes)
