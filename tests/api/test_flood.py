"""From broadcast to the push service while others ask without pause, with few vaults and with very many."""

import pytest

from tests.api.conftest import running_tower
from tests.benchmarks import push
from tests.benchmarks.callers import callers

RATE = 300  # fresh registrations a second


def test_x25_a_flood_of_every_sort_of_request_keeps_no_alert_back(tower):
    thefts = push.guard(tower, push.signed_thefts(tower.node, 2))
    measured = push.measure(tower, thefts, callers(tower.port), load_first_s=1)
    assert measured.took_s[-1] <= push.TARGET_S
    assert measured.answered.took_s, "it was no flood"
    assert not [status for status in measured.answered.statuses if status.startswith("5") and status != "503"]


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("vaults", [1, 100_000])
def test_a_theft_is_pushed_within_two_seconds_while_hundreds_register(tower, tmp_path, vaults):
    raws = push.signed_thefts(tower.node, 40)
    with running_tower(tmp_path / "bwm", tower.node) as busy:
        push.fill(busy, vaults - 1)
        measured = push.measure(busy, push.guard(busy, raws), callers(busy.port, RATE))
    push.print_table(push.rows_of(measured, f"{vaults:,} vaults", RATE))
    assert set(measured.answered.statuses) == {"200"}
    assert measured.p99_s <= push.TARGET_S
