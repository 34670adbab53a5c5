#!/usr/bin/env python3
"""Cancels every spend that it hears of."""

import json
import sys

info = json.loads(sys.stdin.readline())["block_info"]
print(json.dumps({"revault": [attempt["deposit_outpoint"] for attempt in info["new_attempts"]]}))
