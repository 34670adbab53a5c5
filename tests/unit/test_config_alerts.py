"""[alerts], [drill] and [deadman]: what is read, and what is refused by name and line."""

from pathlib import Path

import pytest

from bwm.answer import sealed
from bwm.config import Config, load
from bwm.config_alerts import CheckInConfig
from bwm.errors import ConfigError
from bwm.severity import Severity

DAY = 86_400
CHANNELS = """
[[channel]]
name = "phone"
kind = "file"
path = "phone.jsonl"
people = ["owner"]

[[channel]]
name = "sister"
kind = "file"
path = "sister.jsonl"
people = ["family"]
"""


def read(folder: Path, text: str) -> Config:
    file = folder / "bwm.toml"
    file.touch(mode=0o600)
    file.write_text(CHANNELS + text)
    return load(file)


def test_steps_quiet_hours_and_drills_are_read(tmp_path):
    config = read(
        tmp_path,
        """
        [[alerts.escalate]]
        to = ["family"]
        after = "30m"

        [[alerts.quiet]]
        hours = "22:00-07:30"
        zone = "Europe/Berlin"

        [drill]
        every = "30d"
        """,
    )
    [rung] = config.alerts.ladder
    assert (rung.people, rung.after_s, rung.min_severity) == (("family",), 1800, Severity.CRITICAL)
    [quiet] = config.alerts.quiet
    assert (quiet.ends.hour, quiet.ends.minute, quiet.below, str(quiet.zone)) == (7, 30, Severity.HIGH, "Europe/Berlin")
    assert config.drill.every_s == 30 * 86400


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[alerts.escalate]]\nto = ["lawyer"]\nafter = "1h"', "lawyer"),
        ('[[alerts.escalate]]\nto = ["family"]', "after"),
        ('[[alerts.escalate]]\nafter = "1h"', "people"),
        (
            '[[alerts.escalate]]\nto = ["family"]\nafter = "2h"\n[[alerts.escalate]]\nto = ["owner"]\nafter = "1h"',
            "order of their times",
        ),
        ('[[alerts.quiet]]\nhours = "10pm-7am"', "22:00-07:00"),
        ('[[alerts.quiet]]\nhours = "22:00-07:00"\nzone = "Atlantis/Center"', "Europe/Berlin"),
        ('[[alerts.quiet]]\nhours = "22:00-07:00"\nbelow = "emergency"', "use one of"),
        ('[[alerts.duress]]\nperson = "owner"\nseal = "blue-tractor"', "seal-code"),
        (f'[[alerts.duress]]\nperson = "nobody"\nseal = "{sealed("x", bytes(16))}"', "nobody"),
        ('[drill]\nevery = "1h"', "every"),
        ("[alerts]\nloud = 1", "loud"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line(tmp_path, text, words):
    with pytest.raises(ConfigError, match=r"line \d+: ") as refused:
        read(tmp_path, text)
    assert words in str(refused.value)
    assert "tractor" not in str(refused.value)


def test_check_ins_are_read_with_what_stands_for_what_is_not_said(tmp_path):
    assert read(tmp_path, "").check_in is None
    given = read(tmp_path, '[deadman]\nperiod = "30d"').check_in
    assert given == CheckInConfig(30 * DAY, 7 * DAY, 3 * DAY, Severity.CRITICAL)
    text = '[deadman]\nperiod = "7d"\ngrace = "1d"\nremind = "0s"\nseverity = "emergency"'
    assert read(tmp_path, text).check_in == CheckInConfig(7 * DAY, DAY, 0, Severity.EMERGENCY)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('grace = "7d"', 'needs a period, like period = "30d"'),
        ('period = "30d"\nremind = "30d"', "remind must be shorter than period"),
        ('period = "5m"', "give a duration from 3600"),
        ('period = "30d"\nseverity = "warning"', "use one of high, critical, emergency"),
        ('period = "30d"\ngrace_time = "1d"', "Did you mean grace?"),
    ],
)
def test_check_ins_that_make_no_sense_are_refused(tmp_path, text, words):
    with pytest.raises(ConfigError, match=r"line \d+") as refused:
        read(tmp_path, f"[deadman]\n{text}\n")
    assert words in str(refused.value)
