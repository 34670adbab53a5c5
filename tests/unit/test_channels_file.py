"""The file channel: one whole line for each delivery, whatever happens to the file or the disk."""

import json
import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bwm.channels import check, open_channel
from bwm.channels.channel import Channel
from bwm.errors import DeliverLater
from tests.servers.channels import Settings, message


def channel(path: Path, **changes: object) -> Channel:
    return open_channel(Settings(name="log", kind="file", path=path, **changes))


def test_a_line_holds_every_field_of_the_message(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    channel(path).deliver(message(attempt=2))
    fields = json.loads(path.read_text())
    assert "cold-1" in fields.pop("body")
    assert fields == {
        "id": "alert-5f3a",
        "severity": "emergency",
        "vault": "cold-1",
        "guardian": None,
        "kind": "trigger.seen",
        "txid": "ab" * 32,
        "event": 42,
        "attempt": 2,
        "title": "A watched coin is being spent",
        "at": "2026-11-21T08:00:00Z",
        "update": False,
        "may_repeat": False,
    }


def test_what_the_channel_must_not_tell_is_not_in_the_line(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    told = message(body="cold-1 sends 5,000,000 sat to bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080")
    channel(path, redact=("sats", "vault", "txid", "address")).deliver(told)
    for secret in ("cold-1", "5,000,000", "bcrt1q", "abab"):
        assert secret not in path.read_text()


@pytest.mark.parametrize("mode", [None, 0o644])
def test_the_file_is_for_its_owner_only_even_if_it_was_open_to_others(tmp_path: Path, mode: int | None) -> None:
    path = tmp_path / "alerts.jsonl"
    if mode:
        path.touch(mode)
    channel(path).deliver(message())
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_rotated_file_is_left_alone_and_a_new_one_made(tmp_path: Path) -> None:
    path, old = tmp_path / "alerts.jsonl", tmp_path / "alerts.jsonl.1"
    log = channel(path)
    log.deliver(message(alert_id="before"))
    path.rename(old)
    log.deliver(message(alert_id="after"))
    assert [json.loads(file.read_text())["id"] for file in (old, path)] == ["before", "after"]


def test_lines_written_at_once_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    log = channel(path)
    writers = [
        threading.Thread(target=log.deliver, args=[message(alert_id=str(n), body="x" * n * 30)]) for n in range(20)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert {json.loads(line)["id"] for line in path.read_text().splitlines()} == {str(n) for n in range(20)}


def test_half_a_line_left_by_a_power_cut_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    path.write_text('{"id": "hal')
    channel(path).deliver(message())
    assert json.loads(path.read_text().splitlines()[1])["id"] == "alert-5f3a"


FILL = """
import resource, sys
from pathlib import Path
from bwm.channels import open_channel
from bwm.errors import DeliverLater
from tests.servers.channels import Settings, message
log = open_channel(Settings(name="log", kind="file", path=Path(sys.argv[1])))
log.deliver(message(alert_id="fits"))
size = Path(sys.argv[1]).stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, size + 20))
try:
    log.deliver(message(alert_id="does not"))
except DeliverLater as error:
    print(error)
"""


def test_with_no_room_for_the_whole_line_none_of_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    done = subprocess.run([sys.executable, "-c", FILL, path], capture_output=True, text=True, check=True)
    assert "cannot write" in done.stdout
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == ["fits"]


def test_a_named_pipe_without_reader_is_an_error_and_not_a_wait(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(DeliverLater, match="regular file"):
        channel(path).deliver(message())


def test_with_no_file_descriptor_left_it_is_tried_later(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    log = channel(tmp_path / "alerts.jsonl")
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        with pytest.raises(DeliverLater, match="Too many open files"):
            log.deliver(message())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_check_names_a_missing_folder_and_makes_nothing(tmp_path: Path) -> None:
    missing = tmp_path / "none" / "alerts.jsonl"
    assert str(missing.parent) in check(Settings(kind="file", path=missing))[0]
    assert check(Settings(kind="file", path=tmp_path)) == [f"{tmp_path} is not a regular file: name another path"]
    assert check(Settings(kind="file", path=tmp_path / "new")) == []
    assert not list(tmp_path.iterdir())
