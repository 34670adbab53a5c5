"""Commands of bwm, the daemon among them, in a process each, forked from a Python that has loaded bwm already: most of
a start is that loading. What a cold start does is tested where it matters, by real ones.
"""

import atexit
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Any

_HERE = Path(__file__).resolve()
_USUAL = (
    "bwm.config",
    "bwm.db.database",
    "bwm.db.journal",
    "bwm.node.bitcoind",
    "bwm.daemon.connect",
    "bwm.daemon.run",
    "rich.progress",
)
"""What commands import when they run."""
_WORD = 20  # bytes of a number on the line
_NOT_FOR_US = (signal.SIGINT, signal.SIGTERM)  # tests send them to all their children, and mean others
_servers: dict[int, Path] = {}  # by the process that started it


def run(
    command: Sequence[str], stdin: str, environment: Mapping[str, str], timeout_s: float
) -> subprocess.CompletedProcess[str]:
    """As ``subprocess.run`` with captured text, for ``[bwm, *arguments]``. Raises subprocess.TimeoutExpired."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin.encode())
        given.seek(0)
        process = Forked(command, (given, out, err), environment)
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return subprocess.CompletedProcess(list(command), code, _text(out), _text(err))


def start(
    command: Sequence[str], log: IO[bytes], environment: Mapping[str, str], *, is_stopped: bool = False
) -> "Forked":
    """As regtest.daemon.start_daemon, for ``[bwm, *arguments]``; on request it begins when SIGCONT is sent to it."""
    with Path(os.devnull).open("rb") as nothing:
        return Forked(command, (nothing, log, log), environment, is_stopped=is_stopped)


class Forked:
    """A command in a process of its own, to be used like subprocess.Popen."""

    def __init__(
        self,
        command: Sequence[str],
        files: Sequence[IO[bytes]],
        environment: Mapping[str, str],
        *,
        is_stopped: bool = False,
    ) -> None:
        """``files``: its standard input, output and error."""
        self._command = list(command)
        self._line = socket.socket(socket.AF_UNIX)
        _connect(self._line)
        call = {
            "command": self._command,
            "environment": dict(environment),
            "folder": str(Path.cwd()),
            "is_stopped": is_stopped,
        }
        socket.send_fds(self._line, [json.dumps(call).encode()], [file.fileno() for file in files])
        self._line.shutdown(socket.SHUT_WR)
        self.pid = int(self._line.recv(_WORD))

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        has_ended, _, _ = select.select([self._line], [], [], timeout)
        if not has_ended:
            raise subprocess.TimeoutExpired(self._command, timeout or 0)
        return int(self._line.recv(_WORD, socket.MSG_PEEK))  # left there for whoever asks again, in any thread

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def _connect(line: socket.socket) -> None:
    """To this process's server; to a new one where that was ended by something that a test did."""
    try:
        line.connect(str(_server()))
    except ConnectionRefusedError:
        del _servers[os.getpid()]
        line.connect(str(_server()))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def _server() -> Path:
    """The socket of this process's own server, started when it is first needed."""
    if os.getpid() not in _servers:
        path = Path(tempfile.mkdtemp(prefix="bwm-warm-")) / "socket"
        process = subprocess.Popen(
            [sys.executable, _HERE, path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
        )
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        atexit.register(process.kill)
        atexit.register(shutil.rmtree, path.parent, ignore_errors=True)
        _servers[os.getpid()] = path
    return _servers[os.getpid()]


def serve(path: Path) -> None:
    """Fork for each command that is asked for, until whoever started us is gone."""
    _load()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(64)
    print("ready", flush=True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for number in _NOT_FOR_US:
        signal.signal(number, signal.SIG_IGN)
    parent = os.getppid()
    listener.settimeout(5)
    while os.getppid() == parent:
        try:
            line, _ = listener.accept()
        except TimeoutError:
            continue
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            _attend(line)
        line.close()


def _load() -> None:
    """Everything that commands import, so that a fork has it."""
    commands = import_module("bwm.cli.commands")
    for entry in commands.ENTRIES:
        import_module(f"bwm.cli.{entry.module}")
    for name in _USUAL:
        import_module(name)


def _attend(line: socket.socket) -> None:
    """Run one command in a child, and say how it ended."""
    line.setblocking(True)
    data, files, _, _ = socket.recv_fds(line, 65536, 3)
    while more := line.recv(65536):
        data += more
    pid = os.fork()
    if pid == 0:
        line.close()
        os.setsid()
        _become(json.loads(data), files)
    line.sendall(f"{pid:<{_WORD}}".encode())
    _, status = os.waitpid(pid, 0)
    with suppress(BrokenPipeError):  # whoever asked has gone
        line.sendall(f"{os.waitstatus_to_exitcode(status):<{_WORD}}".encode())
    os._exit(0)


def _become(call: dict[str, Any], files: Sequence[int]) -> None:
    """Be the command: its arguments, environment, folder and files."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        if file > 2:
            os.close(file)
    os.environ.clear()
    os.environ.update(call["environment"])
    os.chdir(call["folder"])
    sys.argv = call["command"]
    if call["is_stopped"]:
        os.kill(os.getpid(), signal.SIGSTOP)
    code = 70
    try:
        import_module("bwm.cli.main").main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
