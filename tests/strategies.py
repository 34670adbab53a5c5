"""Hypothesis strategies for what stands on the chain."""

from hypothesis import strategies as st

from bwm.chain.tx import Input, Output

UINT32 = st.integers(0, 0xFFFFFFFF)

scripts = st.binary(max_size=80) | st.binary(min_size=250, max_size=260)
"""Mostly nonsense, as on the chain; around the length where one byte no longer holds it."""

outpoints = st.binary(min_size=36, max_size=36)

inputs = st.builds(
    Input,
    spends=outpoints,
    script_sig=scripts,
    sequence=UINT32,
    witness=st.lists(scripts, max_size=4).map(tuple),
)
outputs = st.builds(Output, sats=st.integers(0, 21_000_000 * 100_000_000), script=scripts)

transaction_parts = st.fixed_dictionaries(
    {
        "inputs": st.lists(inputs, min_size=1, max_size=5).map(tuple),
        "outputs": st.lists(outputs, max_size=5).map(tuple),
        "version": UINT32,
        "locktime": UINT32,
    }
)
"""The arguments of ``tests.blocks.transaction``."""
