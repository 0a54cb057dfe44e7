"""Each protection is needed: without it, a test fails."""

import pytest

from tests.mutations import MUTATIONS, Mutation, run


@pytest.mark.soak
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.patch)
def test_mutation_is_noticed(mutation: Mutation) -> None:
    result = run.run(mutation)
    print(f"\n{result}")
    assert result.test
