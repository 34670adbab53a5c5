"""The unit files: understood by systemd, with few rights, and alike where they should be."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "systemd"
CONTRIBUTED = UNITS.parent / "contrib"

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")


def settings(name: str) -> list[str]:
    lines = (UNITS / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@pytest.fixture
def installed(tmp_path):
    """The unit files as installed, with a program that is there."""
    for unit in UNITS.glob("*.service"):
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text(), flags=re.MULTILINE)
        (tmp_path / unit.name).write_text(text)
    (tmp_path / "bwm.service.d").mkdir()
    return tmp_path


def analyze(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"SYSTEMD_UNIT_PATH": f"{folder}:", "PATH": "/usr/bin:/bin"},
    )


def test_both_units_differ_only_in_what_names_the_network():
    one, many = settings("bwm.service"), settings("bwm@.service")
    assert [(a, b) for a, b in zip(one, many, strict=True) if a != b] == [
        ("Description=Bitcoin wallet monitor", "Description=Bitcoin wallet monitor on %i"),
        (
            "ExecStart=/usr/local/bin/bwm --config /etc/bwm/bwm.toml run",
            "ExecStart=/usr/local/bin/bwm --config /etc/bwm/%i.toml --network %i run",
        ),
        ("StateDirectory=bwm", "StateDirectory=bwm/%i"),
    ]


def test_bwm_outlives_the_node_and_is_started_again_for_ever():
    lines = settings("bwm.service")
    assert not any(line.startswith(("Requires=", "BindsTo=", "PartOf=")) for line in lines)
    assert {"Restart=always", "RestartSec=2", "StartLimitIntervalSec=0", "WatchdogSec=60", "Type=notify"} <= set(lines)


@needs_systemd
def test_systemd_understands_the_units(installed):
    shutil.copy(CONTRIBUTED / "tor-only.conf", installed / "bwm.service.d")
    done = analyze(installed, "verify", "bwm.service", "bwm@signet.service")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


@needs_systemd
@pytest.mark.parametrize(("drop_ins", "worst"), [([], 1.3), (["tor-only.conf"], 1.2)])
def test_the_units_exposure_is_low(installed, drop_ins, worst):
    for name in drop_ins:
        shutil.copy(CONTRIBUTED / name, installed / "bwm.service.d")
    done = analyze(installed, "security", "--offline=true", "bwm.service")
    exposure = re.search(r"exposure level for bwm.service: ([\d.]+)", done.stdout)
    assert exposure, done.stderr
    assert float(exposure[1]) <= worst
