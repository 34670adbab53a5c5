"""``python -m bwm`` is ``bwm``."""

from bwm.cli.main import main

main()
