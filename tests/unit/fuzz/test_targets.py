"""Everything that parses what others wrote: declared exceptions only, and what its results promise."""

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.fuzz import targets


@pytest.mark.parametrize("name", targets.TARGETS)
@hypothesis.settings(max_examples=150)
@hypothesis.given(data=st.binary(max_size=64))
def test_any_input_is_taken_or_refused_with_a_declared_error(name: str, data: bytes) -> None:
    targets.attempt(name, data)


@pytest.mark.parametrize("name", targets.TARGETS)
def test_every_target_takes_its_first_valid_input(name: str) -> None:
    """A target that refuses everything would find nothing."""
    assert targets.attempt(name, b"")
