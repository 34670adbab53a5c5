"""What every kind of channel must do, however it reaches a person."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bwm.channels import KINDS, check, open_channel
from bwm.errors import ChannelError, ConfigError
from bwm.secret import Secret
from regtest.receiver import Receiver, unused_port
from tests.servers.channels import Settings, apprise, message
from tests.servers.expo import Expo

SECRET = "s3cr3t-t0ken"


@dataclass(frozen=True)
class Case:
    """A working channel of one kind, the same with nobody at its end, and what arrived, a text for each message."""

    settings: Settings
    dead: Settings
    arrived: Callable[[], list[str]]


def apprise_case(_: Path) -> Iterator[Case]:
    with Receiver() as receiver, unused_port() as port:
        yield Case(
            apprise(receiver.url(path=SECRET)),
            apprise(f"json://127.0.0.1:{port}/{SECRET}"),
            lambda: [request.json["message"] for request in receiver.received],
        )


def file_case(folder: Path) -> Iterator[Case]:
    path = folder / "alerts.jsonl"
    yield Case(
        Settings(kind="file", path=path),
        Settings(kind="file", path=folder / "missing" / "alerts.jsonl"),
        lambda: [json.loads(line)["body"] for line in path.read_text().splitlines()],
    )


def expo_case(_: Path) -> Iterator[Case]:
    with Expo() as expo, unused_port() as port:
        token = f"ExponentPushToken[{SECRET}]"
        yield Case(
            Settings(kind="expo", url=Secret(f"{expo.url}#{token}")),
            Settings(kind="expo", url=Secret(f"http://127.0.0.1:{port}/--/api/v2/push/send#{token}")),
            lambda: [push["body"] for push in expo.pushes],
        )


def webhook_case(_: Path) -> Iterator[Case]:
    with Receiver() as receiver, unused_port() as port:
        signed = Settings(kind="webhook", secret=Secret("a secret of the tests, long enough"))
        yield Case(
            replace(signed, url=Secret(receiver.url("http", SECRET))),
            replace(signed, url=Secret(f"http://127.0.0.1:{port}/{SECRET}")),
            lambda: [request.json["body"] for request in receiver.received],
        )


CASES = {"webhook": webhook_case, "expo": expo_case, "apprise": apprise_case, "file": file_case}


@pytest.fixture(params=sorted(KINDS))
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    assert request.param in CASES, f"give the kind {request.param} a case in this file"
    yield from CASES[request.param](tmp_path)


def test_it_lives_in_the_file_of_its_name() -> None:
    folder = Path(__file__).parents[2] / "bwm" / "channels"
    assert {path.stem for path in folder.glob("*.py")} - {"__init__", "channel"} == set(KINDS)


def test_good_settings_have_no_problem_and_deliver(case: Case) -> None:
    assert list(check(case.settings)) == []
    with closing(open_channel(case.settings)) as channel:
        assert channel.name == "phone"
        channel.warm_up()
        channel.deliver(message())
    (told,) = case.arrived()
    assert "cold-1" in told
    assert "alert-5f3a" in told


def test_settings_without_a_destination_are_a_problem(case: Case) -> None:
    empty = replace(case.settings, url=None, path=None)
    assert check(empty)
    with pytest.raises(ConfigError, match="phone"):
        open_channel(empty)


def test_a_failure_is_a_channel_error_without_the_secret(case: Case) -> None:
    with closing(open_channel(case.dead)) as channel, pytest.raises(ChannelError) as raised:
        channel.deliver(message())
    assert SECRET not in str(raised.value)
    assert SECRET not in repr(case.dead)


@pytest.mark.parametrize(
    "text",
    ["<b>&amp;</b> {0.__class__} {{7*7}} $(id)", "🔥" * 5000, "x" * 10_000, "a\x00b\x1b[31mc\ud800d\u202ee", "", "\n"],
    ids=["markup", "emoji", "long", "control", "empty", "blank"],
)
def test_a14_x46_any_text_gets_through(case: Case, text: str) -> None:
    with closing(open_channel(case.settings)) as channel:
        channel.deliver(message(title=text, body=text, vault=text))
    (told,) = case.arrived()
    assert "alert-5f3a" in told
    assert len(told) < 1000
    assert not any(character in told for character in "\x00\x1b\ud800\u202e")


def test_many_threads_may_deliver_at_once(case: Case) -> None:
    with closing(open_channel(case.settings)) as channel, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: channel.deliver(message(alert_id=f"alert-{n}")), range(50)))
    assert len(set(case.arrived())) == 50


def test_closing_leaves_no_thread_and_may_be_done_twice(case: Case) -> None:
    before = set(threading.enumerate())
    channel = open_channel(case.settings)
    channel.deliver(message())
    channel.close()
    channel.close()
    assert not [thread for thread in set(threading.enumerate()) - before if not thread.daemon]


def test_what_it_must_not_tell_stays_here(case: Case) -> None:
    with closing(open_channel(replace(case.settings, redact=("vault", "sats")))) as channel:
        channel.deliver(message())
    (told,) = case.arrived()
    assert "cold-1" not in told
    assert "5000000" not in told


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="phone has the unknown kind 'pigeon'"):
        open_channel(Settings(kind="pigeon", url=Secret(SECRET)))
