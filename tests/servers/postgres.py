"""A PostgreSQL of the test's own: on loopback, with a password, in a folder that goes away with it."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from regtest.node import wait_until

GET_POSTGRES = Path(__file__).parents[2] / "regtest" / "get-postgres"
NOBODY = 65534
_USER, _DATABASE = "bwm", "postgres"


class Postgres:
    """One server. As root its programs run as nobody, for they refuse to run as root."""

    def __init__(self) -> None:
        """Makes an empty database and starts the server."""
        self.folder = Path(tempfile.mkdtemp(prefix="bwm-postgres-"))
        self._bin = self._programs()
        self._libraries = self._bin.parents[3] / "lib"
        self.password = secrets.token_hex(8)
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        password_file = self.folder / "password"
        password_file.write_text(self.password)
        if os.geteuid() == 0:
            for path in (self.folder, password_file):
                os.chown(path, NOBODY, NOBODY)
        setup = (
            "-D",
            self.folder / "data",
            "-U",
            _USER,
            "--auth=scram-sha-256",
            f"--pwfile={password_file}",
            "--no-sync",
        )
        self._run("initdb", *setup, "-L", self._share, "--encoding=UTF8", "--locale=C")
        self.start()

    @staticmethod
    def _programs() -> Path:
        done = subprocess.run([GET_POSTGRES], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return Path(done.stdout.strip())

    @property
    def _share(self) -> Path:
        """Where the programs' own data lies: /usr/share/postgresql/VERSION beside /usr/lib/postgresql/VERSION."""
        return self._bin.parents[3] / "share" / "postgresql" / self._bin.parent.name

    @property
    def url(self) -> str:
        return f"postgresql://{_USER}:{self.password}@127.0.0.1:{self.port}/{_DATABASE}"

    def _command(self, program: str, arguments: Sequence[object]) -> list[str]:
        drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
        return [*drop, str(self._bin / program), *map(str, arguments)]

    @property
    def _environment(self) -> dict[str, str]:
        """Those of an unpacked package find their libraries beside them."""
        places = (
            ":".join(str(path) for path in self._libraries.glob("*-linux-gnu*"))
            if self._libraries != Path("/usr/lib")
            else ""
        )
        return os.environ | ({"LD_LIBRARY_PATH": places} if places else {})

    def _run(self, program: str, *arguments: object) -> None:
        done = subprocess.run(
            self._command(program, arguments), capture_output=True, text=True, env=self._environment, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        """Run until it takes connections."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.folder,
            "max_connections": 40,
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command("postgres", ["-D", self.folder / "data", *options]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
            )
        wait_until(self._answers, "PostgreSQL's readiness", 30)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query, by a connection of its own."""
        with psycopg.connect(self.url) as connection:
            return connection.execute(query, values).fetchall()

    def cut_off_clients(self) -> None:
        """End the server's side of every line, as it does when the other side has been silent for too long."""
        self.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s AND pid != pg_backend_pid()",
            _USER,
        )

    def stop(self, by: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: a fast shutdown, which cuts off every client; SIGQUIT: as a power cut."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(by)
            self._process.wait(30)

    def pause(self) -> None:
        """It takes no new connection: the system lets them begin, and nobody answers."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on."""
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def remove(self) -> None:
        """End it and take its folder away."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)
