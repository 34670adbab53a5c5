"""The daemon's side of the sending processes: hard deadlines, and no message lost between two workers."""

import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from contextlib import suppress
from typing import cast

from bwm.channels.sending.wire import MAX_PACKET, TAKE, Answer, Request, packet_pair
from bwm.errors import ChannelError, DeliverLater, DeliveryUncertain

HAND_OVER_LIMIT_S = 5
"""A worker that does not take a request within this time is stopped or starved."""

START_LIMIT_S = 30
"""To load Apprise takes half a second, and some seconds on a small machine that is busy."""

ENOUGH = 8
"""Messages that a worker has in hand before another one joins it: a flood is then sent on more than one processor, of
which one message of Apprise takes some milliseconds."""

MOST = min(4, len(os.sched_getaffinity(0)))
"""Workers of one channel. What was needed for a flood only, ends by itself when it was idle for a while."""

ATTEMPTS = MOST + 2
"""Every worker may just have ended because it was idle; a new one should not."""

KEPT_VARIABLES = re.compile(
    r"PATH|HOME|LANG|LC_\w+|TZ|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|(HTTP|HTTPS|ALL|NO)_PROXY",
    re.IGNORECASE,
)
"""All that a sending process sees of the daemon's environment, besides where our modules lie."""


class WorkerGone(ChannelError):
    """The worker ended before it began with the request: nothing was sent."""


class ForkServer:
    """The process from which all workers are forked; started when first needed, it ends with this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None

    def new_worker(self, module: str) -> "Worker":
        """A process that serves ``module.answer``. Raises DeliverLater when none can be had."""
        with self._lock:
            for _ in range(2):  # the fork server may have been killed since the last time
                with suppress(ConnectionError):
                    return self._fork(self._line or self._start(), module)
                self.stop()
        raise DeliverLater("the process that sends messages does not start: see its words on standard error")

    def _fork(self, line: socket.socket, module: str) -> "Worker":
        try:
            line.send(module.encode())
            _, fds, _, _ = socket.recv_fds(line, MAX_PACKET, 2, socket.MSG_CMSG_CLOEXEC)
        except TimeoutError as error:
            self.stop()
            raise DeliverLater(f"the process that sends messages did not start within {START_LIMIT_S} s") from error
        if len(fds) != 2:
            raise ConnectionResetError
        return Worker(socket.socket(fileno=fds[0]), pidfd=fds[1])

    def _start(self) -> socket.socket:
        self._line, theirs = packet_pair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "bwm.channels.sending.fork_server"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,  # a Ctrl-C at the daemon's terminal is not meant for it
            )
        self._line.settimeout(START_LIMIT_S)
        return self._line

    def stop(self) -> None:
        """Let go of the process. When one is needed again, a new one is started."""
        if self._line is not None:
            self._line.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._line = self._process = None


class Worker:
    """One worker process. After a failure it gets nothing new and is killed when its last request is over."""

    def __init__(self, line: socket.socket, pidfd: int) -> None:
        line.settimeout(HAND_OVER_LIMIT_S)
        self._line = line
        self._pidfd = pidfd
        self.users = 0
        self.retired = False

    def ask(self, request: bytes, deadline: float) -> Answer:
        """Raises WorkerGone or DeliverLater when it was not begun, DeliveryUncertain when it was cut off.

        ``deadline`` is on the monotonic clock.
        """
        ours, theirs = packet_pair()
        with ours:
            with theirs:
                self._hand_over(request, ours, theirs)
            ours.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data = ours.recv(MAX_PACKET)
            except ConnectionError:
                raise WorkerGone from None
            except TimeoutError:
                raise _given_up(ours) from None
        if not data:
            raise DeliveryUncertain("cut off: the sending process ended in mid-send")
        return cast("Answer", json.loads(data))

    def kill(self) -> None:
        """End the process at once, whatever it is doing."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def release(self) -> None:
        """Forget the process. Only when nobody waits for it any more."""
        os.close(self._pidfd)
        self._line.close()

    def _hand_over(self, request: bytes, ours: socket.socket, theirs: socket.socket) -> None:
        try:
            ours.send(request)
            socket.send_fds(self._line, [TAKE], [theirs.fileno()])
        except OSError as error:
            raise WorkerGone from error


class Workers:
    """The sending processes of one channel: mostly one worker, replaced when it hangs, fails or went idle."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._lock = threading.Lock()
        self._workers: list[Worker] = []  # that take requests
        self._closed = False

    def ask(self, request: Request, limit_s: float) -> Answer:
        """One request to a worker, cut off after ``limit_s``. Raises DeliverLater or DeliveryUncertain."""
        data = json.dumps(request).encode()
        deadline = time.monotonic() + limit_s
        try:
            for _ in range(ATTEMPTS):
                with suppress(WorkerGone):
                    return self._ask_once(data, deadline)
        except OSError as error:  # no file descriptors or no processes left: all before anything is sent
            raise DeliverLater(f"not sent: {error.strerror}") from error
        raise DeliverLater("not sent: the sending processes end before they begin")

    def close(self) -> None:
        """Kill the workers; who still waits for one gets DeliveryUncertain."""
        with self._lock:
            self._closed = True
            workers, self._workers = self._workers, []
            for worker in workers:
                worker.retired = True
                _end(worker)

    def _ask_once(self, data: bytes, deadline: float) -> Answer:
        worker = self._join()
        try:
            return worker.ask(data, deadline)
        except ChannelError:
            self._retire(worker)
            raise
        finally:
            self._leave(worker)

    def _join(self) -> Worker:
        with self._lock:
            if self._closed:
                raise DeliverLater("not sent: the channel was closed")
            worker = self._free()
            worker.users += 1
            return worker

    def _free(self) -> Worker:
        """The first that has not enough to do yet, so that of several that are hardly needed one goes idle."""
        for worker in self._workers:
            if worker.users < ENOUGH:
                return worker
        if len(self._workers) < MOST:
            self._workers.append(FORK_SERVER.new_worker(self._module))
            return self._workers[-1]
        return min(self._workers, key=lambda worker: worker.users)

    def _retire(self, worker: Worker) -> None:
        with self._lock:
            worker.retired = True
            if worker in self._workers:
                self._workers.remove(worker)

    def _leave(self, worker: Worker) -> None:
        with self._lock:
            worker.users -= 1
            if worker.retired and not worker.users:
                _end(worker)


FORK_SERVER = ForkServer()
"""One for all channels of this process: what it has loaded, all workers share."""


def _end(worker: Worker) -> None:
    worker.kill()
    if not worker.users:
        worker.release()


def _given_up(line: socket.socket) -> ChannelError:
    """What to say of a request that was not answered in time.

    Closed first and looked at then: a worker that takes it after this look finds the line closed, and does not begin.
    """
    line.shutdown(socket.SHUT_RDWR)
    unread = fcntl.ioctl(line, termios.TIOCOUTQ, bytes(4))
    if any(unread):
        return DeliverLater("not sent: the channel is still busy with earlier messages")
    return DeliveryUncertain("cut off: the receiver took too long")


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if KEPT_VARIABLES.fullmatch(name)}
    return kept | {"PYTHONPATH": os.pathsep.join(sys.path)}
