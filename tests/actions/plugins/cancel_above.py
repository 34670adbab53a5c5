#!/usr/bin/env python3
"""Lets spends pass up to a sum in flight; above it cancels the youngest until the rest is within the sum again.

Its state is a JSON file in ``data_dir`` of its configuration, the sum (sat) is ``max_value``. The same news told twice
counts once.
"""

import json
import sys
from pathlib import Path

request = json.loads(sys.stdin.readline())
assert request["method"] == "new_block"
assert request["block_height"] == request["blockheight"]
info, config = request["block_info"], request["config"]
file = Path(config["data_dir"]) / "in_flight.json"
flying = json.loads(file.read_text()) if file.exists() else {}
for coin in info["successful_attempts"] + info["revaulted_attempts"]:
    flying.pop(coin, None)
for attempt in info["new_attempts"]:
    flying.setdefault(attempt["deposit_outpoint"], attempt["value"])
cancelled, left = [], sum(flying.values())
for coin, value in reversed(flying.items()):
    if left <= config["max_value"]:
        break
    cancelled.append(coin)
    left -= value
file.write_text(json.dumps(flying))
print(json.dumps({"revault": cancelled}))
