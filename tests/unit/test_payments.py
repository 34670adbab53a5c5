"""How many payments a trigger had lately, as the database counts them."""

from dataclasses import replace

from bwm.db import schema, sightings
from bwm.db.database import Database
from bwm.watch.sighting import Sighting, Status
from bwm.watch.watch import Family, Trigger

HOUR = 3600
NOW = 1_700_000_000


def test_only_payments_of_the_last_hour_are_counted_and_each_trigger_for_itself(tmp_path):
    with (database := Database(f"sqlite:///{tmp_path}/bwm.sqlite", "regtest")).connection(), database.transaction():
        vault = schema.Vault.create(name="cold", severity="info", final_depth=6, created_at=NOW)
        busy, quiet = (
            schema.Trigger.create(vault=vault, kind="script", key=key, created_at=NOW).id for key in ("busy", "quiet")
        )
        trigger = Trigger(busy, "script", "busy", "cold")
        payment = Sighting(trigger, "", Family.FUNDS, Status.SEEN, 1, "", NOW)
        sightings.put(replace(payment, txid=f"{number:064x}", first_seen_at=NOW - number) for number in range(5))
        sightings.put([replace(payment, txid="aa" * 32, first_seen_at=NOW - HOUR - 1)])
        sightings.put([replace(payment, txid="bb" * 32, family=Family.TRIGGER)])

        assert sightings.payments_since(NOW - HOUR, {busy, quiet}) == {busy: 5}
        assert sightings.payments_since(NOW - HOUR, set()) == {}
