"""One sending process and its daemon: what was begun, what was not, and how it ends."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from bwm.channels.sending import worker
from bwm.channels.sending.process import Worker, WorkerGone
from bwm.channels.sending.wire import Answer, Request, packet_pair
from bwm.errors import DeliverLater, DeliveryUncertain
from tests.servers.processes import is_running, wait_until

FOREVER = "forever"

asked: list[str] = []


def answer(request: Request) -> Answer:
    """What makes this module one that a worker can serve: it says what it was asked until now."""
    asked.append(request["title"])
    if request["body"] == FOREVER:
        Path(request["title"]).touch()
        threading.Event().wait()
    return {"result": "done", "words": " ".join(asked), "wait_s": None}


@dataclass(frozen=True)
class Alone:
    """A worker process, and what the daemon has of it."""

    pid: int
    worker: Worker

    def ask(self, title: str, limit_s: float = 20, body: str = "") -> str:
        """The titles of all that it was asked."""
        request = f'{{"title": "{title}", "body": "{body}"}}'.encode()
        return self.worker.ask(request, time.monotonic() + limit_s)["words"]

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """It takes nothing meanwhile."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitpid(self.pid, os.WUNTRACED)
        yield
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)


SERVE = """
import socket, sys
from bwm.channels.sending import worker
line, module, worker.IDLE_S, worker.THREADS = map(eval, sys.argv[1:])
worker.serve(socket.socket(fileno=line), module)
"""


@contextmanager
def alone(idle_s: float = worker.IDLE_S, threads: int = worker.THREADS) -> Iterator[Alone]:
    ours, theirs = packet_pair()
    with theirs:
        given = map(repr, (theirs.fileno(), __name__, idle_s, threads))
        process = subprocess.Popen([sys.executable, "-c", SERVE, *given], pass_fds=[theirs.fileno()])
    one = Alone(process.pid, Worker(ours, os.pidfd_open(process.pid)))
    try:
        yield one
    finally:
        one.worker.kill()
        one.worker.release()
        process.wait()


def test_an_idle_worker_ends_by_itself() -> None:
    with alone(idle_s=0.1) as one:
        wait_until(lambda: not is_running(one.pid))
        with pytest.raises(WorkerGone):
            one.ask("too late")


def test_what_was_not_begun_in_time_is_never_sent() -> None:
    with alone() as one:
        assert one.ask("first") == "first"
        with one.standing_still(), pytest.raises(DeliverLater, match="busy"):
            one.ask("late", limit_s=0.05)
        assert one.ask("next") == "first next"


def test_what_was_begun_is_uncertain_when_the_worker_dies_and_what_was_not_goes_to_another(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    with alone() as one, ThreadPoolExecutor() as pool:
        first = pool.submit(one.ask, str(begun), body=FOREVER)
        wait_until(begun.exists)
        with one.standing_still():
            second = pool.submit(one.ask, "second")
            with pytest.raises(DeliverLater):  # in a queue behind it, so it has been handed over
                one.ask("third", limit_s=0.2)
            one.worker.kill()
        with pytest.raises(DeliveryUncertain, match="mid-send"):
            first.result()
        with pytest.raises(WorkerGone):
            second.result()


def test_with_every_thread_hanging_it_begins_no_more_and_still_sees_its_daemon_go(tmp_path: Path) -> None:
    begun = [tmp_path / str(n) for n in range(3)]
    with alone(threads=3) as one, ThreadPoolExecutor() as pool:
        hanging = [pool.submit(one.ask, str(file), body=FOREVER) for file in begun]
        wait_until(lambda: all(file.exists() for file in begun))
        with pytest.raises(DeliverLater, match="busy"):
            one.ask("one too many", limit_s=0.1)
        one.worker._line.close()
        wait_until(lambda: not is_running(one.pid))
        for each in hanging:
            with pytest.raises(DeliveryUncertain):
                each.result()
