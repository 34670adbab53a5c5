"""What this machine lacks is told, wherever bwm keeps its files."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from bwm.daemon import watch_host
from bwm.daemon.watch_host import HostWatch

MB = 1_000_000


@pytest.mark.parametrize(("state", "database", "low"), [(500, 500, False), (5, 500, True), (500, 5, True)])
def test_each_disk_that_bwm_writes_to_is_looked_at(monkeypatch, state, database, low):
    free = {Path("/state"): state * MB, Path("/database"): database * MB}
    held: dict[str, object] = {}
    monkeypatch.setattr(watch_host.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free[folder]))
    health = SimpleNamespace(hold=lambda family, holding: held.update(dict.fromkeys(family, holding)))
    clock = SimpleNamespace(now=lambda: 1_800_000_000)

    HostWatch(free, None, health, clock, mines_by_schedule=False).look(SimpleNamespace(median_time=0))

    assert held["disk"] == ({"disk": "5 MB left"} if low else {})
