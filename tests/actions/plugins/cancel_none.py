#!/usr/bin/env python3
"""Lets every spend pass."""

import json
import sys

json.loads(sys.stdin.readline())
print(json.dumps({"revault": []}))
