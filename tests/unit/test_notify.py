"""Words to the service manager arrive, and their absence harms nobody."""

import os
import socket

import pytest

from bwm.daemon.notify import notify


@pytest.mark.parametrize("kind", ["file", "abstract"])
def test_the_service_manager_hears_each_word(tmp_path, monkeypatch, kind):
    name = str(tmp_path / "notify") if kind == "file" else f"@bwm-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(5)
        manager.bind(name.replace("@", "\0", 1) if kind == "abstract" else name)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        notify("READY=1")
        notify("WATCHDOG=1")
        assert [manager.recv(100), manager.recv(100)] == [b"READY=1", b"WATCHDOG=1"]


def test_a_service_manager_that_is_away_is_no_trouble(tmp_path, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    notify("READY=1")
    monkeypatch.delenv("NOTIFY_SOCKET")
    notify("READY=1")
