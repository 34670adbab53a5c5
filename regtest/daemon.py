"""One bwm as tests and the demo use it: its commands as subprocesses, its daemon by process id."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import IO, Any, Protocol

from regtest.node import RegtestNode, freeze, wait_until

PROGRAM = Path(sys.executable).with_name("bwm")

CONFIG = """\
network = "regtest"
state_dir = "{state_dir}"

[node]
rpc = "{node.rpc_url}"
cookie_file = "{node.cookie}"
{feed}
[[channel]]
name = "log"
kind = "file"
path = "{alerts}"
people = ["owner"]
min_severity = "info"
"""

RECEIVER_CHANNEL = """
[[channel]]
name = "phone"
kind = "apprise"
url = "{url}"
people = ["owner"]
min_severity = "info"
"""

CAUGHT_UP = "SELECT 1 FROM setting WHERE name = 'caught_up' AND value <> ''"


def run_command(
    command: Sequence[str], stdin: str, environment: Mapping[str, str], timeout_s: float
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end. Raises subprocess.TimeoutExpired."""
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, env=environment, timeout=timeout_s, check=False
    )


class Process(Protocol):
    """What a test does with the daemon's process, as subprocess.Popen has it."""

    pid: int

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, as soon as it has ended. Raises subprocess.TimeoutExpired."""

    def terminate(self) -> None:
        """SIGTERM, unless it has ended."""

    def kill(self) -> None:
        """SIGKILL, unless it has ended."""


def start_daemon(command: Sequence[str], log: IO[bytes], environment: Mapping[str, str]) -> Process:
    """Start a command that goes on; both of its outputs go to ``log``."""
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)


class Bwm:
    """A folder with a bwm.toml, and what can be done with it. ``bwm("add-vault", ...)`` runs a command."""

    run_command = staticmethod(run_command)
    start_daemon = staticmethod(start_daemon)

    def __init__(self, home: Path, node: RegtestNode, *, receiver_url: str | None = None, settings: str = "") -> None:
        """``settings``: TOML put before the sections; write sections of your own at its end."""
        home.mkdir()
        self.home = home
        self.config = home / "bwm.toml"
        self.state_dir = home / "state"
        self.database = self.state_dir / "bwm.sqlite"
        self.alerts_file = home / "alerts.jsonl"
        self.log = home / "daemon.log"
        self.wrapper: list[str] = []  # a command that runs the daemon in the test's own way
        self.surroundings: dict[str, str] = {}  # more environment for the daemon
        self.is_measured = False  # its memory, or what it shows to others, is of no process but bwm
        self._process: Process | None = None
        feed = "".join(f'zmq_{topic} = "{node.zmq}"\n' for topic in node.topics if topic != "hashtx")
        text = CONFIG.format(state_dir=self.state_dir, node=node, feed=feed, alerts=self.alerts_file)
        if receiver_url:
            text += RECEIVER_CHANNEL.format(url=receiver_url)
        self.config.touch(mode=0o600)  # it may hold a channel's URL
        self.config.write_text(f"{text}\n{settings}")

    @property
    def _environment(self) -> dict[str, str]:
        """This machine's own configuration and proxies must not reach a test."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BWM")}
        return kept | {"HOME": str(self.home), "NO_PROXY": "127.0.0.1,localhost"}

    def _command(self, arguments: Sequence[object]) -> list[str]:
        return [str(PROGRAM), "--config", str(self.config), *map(str, arguments)]

    # Commands

    def __call__(
        self, *arguments: object, stdin: str = "", exit_code: int | None = 0, timeout_s: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run one command; its exit code must be the given one (None: any)."""
        done = self.run_command(self._command(arguments), stdin, self._environment, timeout_s)
        assert exit_code in (None, done.returncode), (
            f"bwm {' '.join(map(str, arguments))} ended with {done.returncode}, not {exit_code}\n"
            f"{done.stdout}{done.stderr}"
        )
        return done

    def run_under(self, wrapper: Sequence[str], *arguments: object) -> int:
        """Run one command in the test's own way (strace, prlimit); its exit code, negative when it was killed."""
        command = [*wrapper, *self._command(arguments)]
        return subprocess.run(command, capture_output=True, env=self._environment, timeout=60, check=False).returncode

    def json(self, *arguments: object) -> Any:
        """The one JSON document of a reading command."""
        return json.loads(self(*arguments, "--json").stdout)

    def json_lines(self, *arguments: object) -> list[Any]:
        """The JSON objects, one a line, of ``events`` and ``alerts``."""
        return [json.loads(line) for line in self(*arguments, "--json").stdout.splitlines()]

    def status(self) -> dict[str, Any]:
        return self.json("status")

    def alerts(self) -> list[dict[str, Any]]:
        return self.json_lines("alerts")

    # The daemon

    @property
    def pid(self) -> int:
        assert self._process, "the daemon was not started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, *, until_ready: bool = True) -> None:
        """Run the daemon; its log goes to ``log``."""
        assert not self.is_running, "the daemon runs already"
        is_plain = not (self.wrapper or self.surroundings or self.is_measured)
        begin = self.start_daemon if is_plain else start_daemon
        with self.log.open("ab") as log:
            command = [*self.wrapper, *self._command(["run"])]
            self._process = begin(command, log, self._environment | self.surroundings)
        if until_ready:
            self.wait_ready()

    def wait_ready(self, timeout_s: float = 30) -> None:
        """Wait until the daemon runs and has read all that happened before."""

        def ready() -> bool:
            assert self.is_running, f"the daemon ended:\n{self.log_text()[-3000:]}"
            is_made = Path(f"{self.database}-wal").exists()  # before that a reader might be in the way of its making
            if self.database.exists() and not (is_made and self.rows(CAUGHT_UP)):
                return False  # to look there takes less than a command does
            status = self.status()
            return bool(status["running"] and status["covered"])

        wait_until(ready, "the daemon's readiness", timeout_s)

    def stop(self, timeout_s: float = 10) -> None:
        """End it as systemd would; it must end in time and with exit code 0."""
        assert self._process, "the daemon was not started"
        self._process.terminate()
        assert self._process.wait(timeout_s) == 0, f"the daemon ended badly:\n{self.log_text()[-3000:]}"

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process:
            self._process.kill()
            self._process.wait(10)

    def wait_exit(self, timeout_s: float = 30) -> int:
        """The exit code of a daemon that ends by itself."""
        assert self._process, "the daemon was not started"
        return self._process.wait(timeout_s)

    def pause(self) -> None:
        freeze(self.pid)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    # What it wrote down

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Rows of the database, read beside the daemon; none before it exists."""
        if not self.database.exists():
            return []
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=10)) as connection:
            connection.row_factory = sqlite3.Row
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table'").fetchone():
                return []  # made a moment ago, and still empty
            return [dict(row) for row in connection.execute(query, values)]

    def wait_for_row(self, query: str, *values: object, timeout_s: float = 30) -> dict[str, Any]:
        """The first row that the query finds, as soon as there is one."""
        return wait_until(lambda: self.rows(query, *values), f"a row for {query}", timeout_s)[0]

    def events(self, kind: str = "", **fields: object) -> list[dict[str, Any]]:
        """Journal rows in order, of one kind (or all) and with these column values (``txid=...``)."""
        wanted = fields | ({"kind": kind} if kind else {})
        conditions = " AND ".join(f"{column} = ?" for column in wanted) or "1"
        found = self.rows(f"SELECT * FROM event WHERE {conditions} ORDER BY seq", *wanted.values())
        return [row | {"detail": json.loads(row["detail"])} for row in found]

    def wait_for_event(self, kind: str, timeout_s: float = 30, **fields: object) -> dict[str, Any]:
        """The first event of this kind with these column values, as soon as it is on disk."""

        def found() -> list[dict[str, Any]]:
            assert self._process is None or self.is_running, f"the daemon ended:\n{self.log_text()[-3000:]}"
            return self.events(kind, **fields)

        return wait_until(found, f"the event {kind} {fields}", timeout_s)[0]

    def delivered(self, **fields: object) -> list[dict[str, Any]]:
        """The lines of the file channel that have these values."""
        if not self.alerts_file.exists():
            return []
        lines = map(json.loads, self.alerts_file.read_text().splitlines())
        return [line for line in lines if all(line.get(name) == value for name, value in fields.items())]

    def wait_for_alert(self, timeout_s: float = 30, **fields: object) -> dict[str, Any]:
        """The first line of the file channel with these values, as soon as it is there."""
        return wait_until(lambda: self.delivered(**fields), f"an alert with {fields}", timeout_s)[0]
