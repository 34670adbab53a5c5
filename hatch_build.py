"""Builds a wheel in which the busiest module is compiled by mypyc as well, when $BWM_COMPILE says so.

The wheel holds its Python source all the same: where the compiled one does not fit, Python takes that.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COMPILED = "bwm/chain/sieve.py"
"""One source for both ways. Nothing else runs often enough: the index spends its time in Python's own sets."""

_SETUP = """
import sys
from mypyc.build import mypycify
from setuptools import setup
extensions = mypycify(["--strict", sys.argv[1]], opt_level="3")
setup(name="bwm", packages=[], ext_modules=extensions, script_args=["-q", "build_ext", "--build-lib", "lib"])
"""


def compiled(root: Path) -> Path:
    """A folder with the compiled module and what belongs to it, in their package. The source tree stays as it is."""
    folder = Path(mkdtemp(prefix="bwm-compile-"))
    shutil.copytree(root / "bwm", folder / "bwm")
    subprocess.run([sys.executable, "-c", _SETUP, COMPILED], cwd=folder, check=True)
    return folder / "lib"


class CompileHook(BuildHookInterface[Any]):
    """Does nothing unless $BWM_COMPILE is 1."""

    _library: Path | None = None

    @property
    def _is_wanted(self) -> bool:
        return os.environ.get("BWM_COMPILE") == "1" and self.target_name == "wheel"

    def dependencies(self) -> list[str]:
        """What the compiler needs; of the machine, a C compiler and Python's headers besides."""
        return ["mypy[mypyc]>=1.13", "setuptools"] if self._is_wanted else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the compiled module to the wheel, which is then for this Python and this sort of machine only."""
        if not self._is_wanted or version == "editable":
            return
        self._library = library = compiled(Path(self.root))
        for module in library.rglob("*.so"):
            build_data["force_include"][str(module)] = str(module.relative_to(library))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """The wheel is written: what it was made of is not needed any more."""
        if self._library:
            shutil.rmtree(self._library.parent)
