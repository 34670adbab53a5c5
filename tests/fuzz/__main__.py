"""python -m tests.fuzz PARSER FOLDER [OPTION ...]: search for bytes that a parser does not survive, led by coverage.

FOLDER holds what the search begins with, and gets what took a new way through the code. Options are libFuzzer's, as
-runs=1000000 or -seed=7. Needs atheris: pip install -e '.[fuzz]'.
"""

import sys

import atheris

with atheris.instrument_imports(include=["bwm"]):
    from bwm.errors import Damaged
    from tests.fuzz.parsers import PARSERS


def main(name: str, folder: str, options: list[str]) -> None:
    """Ends the process, with code 0 when the parser survived all of it."""
    parse = PARSERS[name]

    def one_input(data: bytes) -> None:
        try:
            parse(data)
        except Damaged:
            return

    atheris.Setup([sys.argv[0], *options, folder], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
