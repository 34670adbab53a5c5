"""The sending processes: what they know, what they hold, how they end, and what their end costs."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from bwm.channels import open_channel
from bwm.channels.channel import Channel
from bwm.channels.sending.process import ENOUGH, MOST
from bwm.channels.sending.wire import packet_pair
from bwm.errors import ChannelError, DeliveryUncertain
from regtest.receiver import Receiver, accept, hang
from tests.servers.channels import apprise, message
from tests.servers.processes import descendants, is_running, open_files, shown_by, wait_until

DAEMON = """
import os, sys
print("main", flush=True)
from bwm.channels import open_channel
from tests.servers.channels import apprise, message
from tests.servers.processes import descendants
channel = open_channel(apprise(sys.stdin.readline().strip()))
channel.warm_up()
print("apprise" in sys.modules, *descendants(os.getpid()), flush=True)
channel.deliver(message())
"""
"""Without ``if __name__ == "__main__"``: were it run again in a sending process, "main" would be printed twice."""


def sending_processes() -> list[int]:
    """Those of this process; a bwm that another test has left running has its own."""
    return [pid for pid in descendants(os.getpid()) if b"bwm.channels.sending" in shown_by(pid)]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def channel(receiver: Receiver) -> Iterator[Channel]:
    with closing(open_channel(apprise(receiver.url()))) as channel:
        channel.warm_up()
        yield channel


@pytest.fixture
def daemon(receiver: Receiver, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    script = tmp_path / "daemon.py"
    script.write_text(DAEMON)
    environment = {**os.environ, "BWM_SECRET": "canary-in-the-environment", "PYTHONPATH": str(Path.cwd())}
    with subprocess.Popen(
        [sys.executable, script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    ) as daemon:
        assert daemon.stdin is not None
        print(receiver.url(path="canary-in-the-url"), file=daemon.stdin, flush=True)
        yield daemon
        daemon.kill()


def started_by(daemon: subprocess.Popen[str]) -> list[int]:
    """The fork server and the worker, when both are there."""
    assert daemon.stdout is not None
    assert daemon.stdout.readline() == "main\n"
    has_apprise, *pids = daemon.stdout.readline().split()
    assert has_apprise == "False", "the daemon itself has loaded Apprise"
    assert len(pids) == 2
    return [int(pid) for pid in pids]


def test_x28_neither_arguments_nor_environment_nor_output_show_a_secret(
    daemon: subprocess.Popen[str], receiver: Receiver
) -> None:
    receiver.behaviour = hang
    pids = started_by(daemon)
    receiver.wait_for(1)
    for pid in pids:
        assert b"canary" not in shown_by(pid)
    daemon.kill()
    output, errors = daemon.communicate()
    assert (output, errors) == ("", "")


def test_killed_in_mid_send_the_daemon_takes_its_sending_processes_along(
    daemon: subprocess.Popen[str], receiver: Receiver
) -> None:
    receiver.behaviour = hang
    pids = started_by(daemon)
    receiver.wait_for(1)
    assert all(is_running(pid) for pid in pids)
    daemon.kill()
    wait_until(lambda: not any(is_running(pid) for pid in pids), limit_s=5)


def test_the_daemon_that_ends_well_leaves_no_process(daemon: subprocess.Popen[str], receiver: Receiver) -> None:
    pids = started_by(daemon)
    assert daemon.wait(10) == 0
    assert len(receiver.received) == 1
    wait_until(lambda: not any(is_running(pid) for pid in pids), limit_s=5)


def test_the_sending_processes_hold_none_of_the_daemons_files(tmp_path: Path, channel: Channel) -> None:
    channel.close()
    with (tmp_path / "lock").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)
        with Receiver() as receiver, closing(open_channel(apprise(receiver.url()))) as channel:
            channel.warm_up()
            for pid in sending_processes():
                held = {name for name in open_files(pid) if not name.startswith(("socket:", "pipe:", "/dev/"))}
                assert str(tmp_path / "lock") not in held


def test_signals_for_the_daemon_do_not_end_its_sending_processes(channel: Channel, receiver: Receiver) -> None:
    pids = sending_processes()
    for pid in pids:
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGHUP)
    channel.deliver(message())
    assert all(is_running(pid) for pid in pids)


def test_a_daemon_that_dies_while_it_waits_for_a_process_leaves_no_traceback_in_its_log() -> None:
    daemons, servers = packet_pair()
    with servers:
        daemons.send(b"bwm.channels.sending.apprise_sender")
        daemons.close()
        command = [sys.executable, "-m", "bwm.channels.sending.fork_server"]
        ended = subprocess.run(command, stdin=servers, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_with_its_processes_killed_a_channel_gets_new_ones_and_loses_nothing(
    channel: Channel, receiver: Receiver
) -> None:
    for _ in range(3):
        for pid in sending_processes():
            os.kill(pid, signal.SIGKILL)
        channel.deliver(message())
    assert len(receiver.received) == 3


def test_a_process_killed_in_mid_send_leaves_the_message_uncertain(channel: Channel, receiver: Receiver) -> None:
    receiver.behaviour = hang
    result: list[ChannelError] = []

    def deliver() -> None:
        try:
            channel.deliver(message())
        except ChannelError as error:
            result.append(error)

    sending = threading.Thread(target=deliver)
    sending.start()
    receiver.wait_for(1)
    for pid in sending_processes():
        os.kill(pid, signal.SIGKILL)
    sending.join()
    assert isinstance(result[0], DeliveryUncertain)
    receiver.behaviour = accept
    channel.deliver(message())


def test_a_closed_channel_keeps_no_process_but_the_one_that_all_share(channel: Channel) -> None:
    before = sending_processes()
    channel.close()
    wait_until(lambda: sum(map(is_running, before)) == 1, limit_s=5)


def test_a_flood_is_sent_by_several_processes_and_what_comes_singly_by_one(
    channel: Channel, receiver: Receiver
) -> None:
    def workers() -> int:
        return sum(map(is_running, sending_processes())) - 1  # but for the one that forks them

    channel.deliver(message())
    assert workers() == 1
    held = threading.Event()
    receiver.behaviour = lambda handler, over: (held.wait(10), accept(handler, over))[1]
    with ThreadPoolExecutor(ENOUGH * MOST) as flood:
        sent = [flood.submit(channel.deliver, message(alert_id=f"a{n}")) for n in range(ENOUGH * MOST)]
        try:
            wait_until(lambda: workers() == MOST)
            wait_until(lambda: len(receiver.received) == 1 + ENOUGH * MOST)
        finally:
            held.set()
    assert [one.result() for one in sent] == [None] * (ENOUGH * MOST)
    assert workers() == MOST


def test_all_sending_processes_together_stay_small(channel: Channel, receiver: Receiver) -> None:
    for _ in range(20):
        channel.deliver(message())
    assert sum(_own_kib(pid) for pid in sending_processes() if is_running(pid)) < 64 * 1024


def _own_kib(pid: int) -> int:
    """Its memory in KiB, with what it shares divided among those that share it."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
