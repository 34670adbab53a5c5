"""bwm's own API: every operation described once, in code, from which its document is made."""
