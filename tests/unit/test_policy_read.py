"""Every mistake in a policy is refused with its line and the way out; what is right reads like plain English."""

from pathlib import Path

import pytest

from bwm.config import load
from bwm.errors import ConfigError
from bwm.policy.explain import explain, unheard

ROOT = Path(__file__).resolve().parents[2]
HEAD = """network = "regtest"
[[channel]]
name = "phone"
kind = "file"
path = "alerts"
people = ["owner", "family", "lawyer"]
[[policy]]
name = "theft"
"""
FIRST = len(HEAD.splitlines()) + 1


def read(folder: Path, body: str):
    """The policies of a configuration whose first policy goes on with ``body``."""
    file = folder / "bwm.toml"
    file.write_text(HEAD + body)
    return load(file).policies


WHOLE = 'on = ["trigger.seen"]\nthen = [{ alert = ["owner"] }]\n'


def when(condition: str) -> str:
    return f"{WHOLE}when = {{ {condition} }}\n"


def step(inner: str) -> str:
    return f'on = ["trigger.seen"]\nthen = [\n  {{ alert = ["owner"] }},\n  {{ {inner} }},\n]\n'


MISTAKES = [
    # what is wrong, in which line after the head, and what the way out says
    ('onn = ["trigger.seen"]', 0, "Did you mean on?"),
    ('on = ["trigger.sean"]\nthen = [{ alert = ["owner"] }]', 0, "Did you mean trigger.seen?"),
    ('on = ["trigger.seen"]', -1, "then is missing"),
    ('then = [{ alert = ["owner"] }]', -1, "on is missing"),
    (when('vualt = "cold"'), 2, "Did you mean vault?"),
    (when("sats_at_least = -1"), 2, "0 to"),
    (when("sats_at_least = 5, sats_at_most = 4"), 2, "nothing is both"),
    (when('sats_in_flight = { at_least = 5, within = "1 day" }'), 2, "15s, 5m"),
    (when("sats_in_flight = { at_least = 5 }"), 2, "within is missing"),
    (when('count = { kind = "theft", at_least = 5, within = "1d" }'), 2, "no such event"),
    (when('announced = "no"'), 2, "true or false"),
    (when('guardian_state = "open"'), 2, "unlocked"),
    (when('destination_outside = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"'), 2, "regtest"),
    (when('time = { from = "8:00" }'), 2, "zone"),
    (when('time = { from = "8:00", zone = "UTC" }'), 2, "08:30"),
    (when('time = { zone = "Europe/Berlim" }'), 2, "Europe/Berlin"),
    (when('time = { zone = "UTC", days = ["monday"] }'), 2, "mon"),
    (when("any = []"), 2, "empty part"),
    (when("of = [{ blind = true }]"), 2, "belong together"),
    (when("at_least = 2, of = [{ blind = true }]"), 2, "from 1 to 1"),
    (step('alrt = ["owner"]'), 3, "a step does one thing"),
    (step('alert = ["owner"], hook = ["/bin/true"]'), 3, "one thing"),
    (step('alert = ["onwer"]'), 3, "Channels reach family, lawyer, owner"),
    (step('alert = ["owner"], severity = "loud"'), 3, "emergency"),
    (step('alert = ["owner"], repeat = "5"'), 3, "5m"),
    (step('alert = ["owner"], after = "5m"'), 3, "escalate"),
    (step('alert = ["owner"], escalate = { to = ["lawyer"] }'), 3, "needs to and after"),
    (step('hook = "/bin/true"'), 3, "a list of texts"),
    (step('hook = ["siren"]'), 3, "whole path"),
    (step('hook = ["/bin/true"], timeout = "1h"'), 3, "from 1 to 45 seconds"),
    (step('hook = ["/bin/true"], unless = "sunday"'), 3, "acknowledged"),
    (step('respond = "sweep", after = "soon"'), 3, "15s, 5m"),
    (step('respond = "sweep", approval = "5s"'), 3, "60"),
    (step('webhook = "house"'), 3, "there is: none"),
    (step('respond = ["a/safe", "b/safe"]'), 3, "vaults = 2"),
    (step("respond = []"), 3, "is empty"),
    (WHOLE + 'on_error = "panic"', 2, "alert, act, hold"),
    (WHOLE + "instead = true", 2, "names its severity"),
    (WHOLE + "limit = { times = 3 }", 2, "times and within"),
    (WHOLE + 'plugin = "plugin.py"', 2, "whole path"),
    (WHOLE + "config = { a = 1 }", 2, "belongs to a plugin"),
    (WHOLE + '[[policy]]\nname = "theft"\n' + WHOLE, 3, "each needs its own"),
]


@pytest.mark.parametrize(("body", "line", "way_out"), MISTAKES, ids=[way_out for *_, way_out in MISTAKES])
def test_a_mistake_is_refused_with_its_line_and_the_way_out(tmp_path, body, line, way_out):
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, body)
    where, _, words = str(refused.value).partition(": ")
    assert way_out in words
    least = FIRST + line if line >= 0 else FIRST - 2  # of the whole section
    assert int(where.rpartition(" ")[2]) == least


WHOLE_FAMILY = 'on = ["trigger.*"]\nthen = [{ respond = ["a/safe", "b/safe"], after = "5m" }]\n'
OF_ONE = 'kind = "trigger.*", vaults = 1, within = "1d"'
OF_TWO = 'kind = "trigger.*", vaults = 2, within = "1d"'


def test_several_responses_need_an_interlock(tmp_path):
    [family] = read(tmp_path, f"when = {{ count = {{ {OF_TWO} }}, blind = false }}\n{WHOLE_FAMILY}")
    assert [(step.target, step.after_s) for step in family.steps] == [("a/safe", 300), ("b/safe", 300)]
    assert "at least 2 vaults had trigger.* within 1 day" in family.when.words
    [asked] = read(tmp_path, WHOLE_FAMILY.replace("after", "approval"))
    assert [step.approval_s for step in asked.steps] == [300, 300]
    for none in (OF_ONE, OF_TWO.replace("vaults", "at_least")):
        with pytest.raises(ConfigError, match="false alarm"):
            read(tmp_path, f"when = {{ count = {{ {none} }} }}\n{WHOLE_FAMILY}")
    with pytest.raises(ConfigError, match="false alarm"):
        read(tmp_path, f"when = {{ any = [{{ blind = true }}, {{ count = {{ {OF_TWO} }} }}] }}\n{WHOLE_FAMILY}")


def test_another_text_is_another_version(tmp_path):
    [first], [same] = read(tmp_path, WHOLE), read(tmp_path, WHOLE.replace("[{", "[ {"))
    [other] = read(tmp_path, WHOLE.replace("owner", "family"))
    assert first.version == same.version != other.version


@pytest.fixture
def examples(tmp_path):
    file = tmp_path / "bwm.toml"
    file.write_text(HEAD.partition("[[policy]]")[0] + (ROOT / "contrib" / "policies.toml").read_text())
    return load(file).policies


def test_the_examples_read_like_plain_english(examples):
    texts = {policy.name: explain(policy) for policy in examples}
    assert texts["theft of cold storage"].splitlines()[1:] == [
        "  On trigger.seen or trigger.confirmed, when its vault is cold* and it was not announced:",
        "  1. Alert owner and family, as emergency, again every 5 minutes until acknowledged; after 30 minutes without "
        "an answer lawyer too.",
        "  2. After 20 minutes send the response cold/to-safety, unless a person acknowledged the alert or the "
        "transaction is gone from mempool and chain.",
        "  At most 2 times within 1 day; beyond that it only alerts.",
        "  If bwm cannot tell whether this holds: alert, and do nothing else.",
    ]
    assert "if a person approves it within 2 hours" in texts["spend under lock"]
    assert "at least 5,000,000 sat left the vault within 1 day" in texts["daily allowance"]
    assert "run /etc/bwm/hooks/call-lawyer, unless somebody has checked in" in texts["no sign of life"]
    assert "Its alert stands in the place of the built-in one." in texts["pocket money"]
    assert "at least 2 of: at least 10,000,000 sat moved; it is between 23:00 and 06:00" in texts["odd behaviour"]


def test_families_that_nobody_handles_are_named(examples, tmp_path):
    assert "policy.decided" in unheard(examples)["policy"]
    [policy] = read(tmp_path, 'on = ["policy.*", "announcement.met"]\nthen = [{ alert = [] }]\n')
    assert {"policy", "announcement"}.isdisjoint(unheard([policy]))
