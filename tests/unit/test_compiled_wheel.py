"""The wheel with the compiled sieve: it is one, it holds the plain source too, and the same tests pass with it."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = (
    "tests/unit/test_chain_block.py",
    "tests/unit/test_chain_tx.py",
    "tests/unit/test_index.py",
    "tests/benchmarks/test_scan.py",
)


@pytest.fixture
def compiled(tmp_path):
    """A tree of bwm as the wheel has it, with our tests beside."""
    command = [sys.executable, "-m", "pip", "wheel", "-qq", "--no-deps", "--no-build-isolation", "-w", tmp_path, ROOT]
    subprocess.run(command, env=os.environ | {"BWM_COMPILE": "1"}, check=True)
    [wheel] = tmp_path.glob("*.whl")
    assert not wheel.name.endswith("none-any.whl")
    tree = tmp_path / "tree"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tree)
    for folder in "tests", "regtest":
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("kept", "__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    return tree


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_same_tests_pass_with_the_compiled_sieve(compiled):
    def python(*arguments: str) -> str:
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=compiled, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    used = Path(python("-c", "import bwm.chain.sieve as sieve; print(sieve.__file__)"))
    assert used.is_relative_to(compiled)
    assert used.suffix == ".so"
    assert (compiled / "bwm/chain/sieve.py").is_file()
    by_answers = ("-k", "not many_times_faster")  # what is faster by far grows by more with the index: benchmarks say
    python("-m", "pytest", "-n", "0", "-p", "no:cacheprovider", *by_answers, *TESTS)
    for module in (compiled / "bwm/chain").glob("*.so"):
        module.unlink()
    plain = Path(python("-c", "import bwm.chain.sieve as sieve; print(sieve.__file__)"))
    assert plain.name == "sieve.py"
