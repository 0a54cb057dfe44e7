"""The mutations, which are run in `make soak`, still fit the code and the tests of now."""

import pytest

from tests import mutations


@pytest.mark.parametrize("mutation", mutations.MUTATIONS, ids=lambda mutation: mutation.patch)
def test_mutation_fits_the_code(mutation: mutations.Mutation) -> None:
    applied = mutations.apply(mutation, mutations.ROOT, is_trial=True)
    assert applied.returncode == 0, applied.stdout


def test_each_patch_is_one_mutation_and_its_test_exists() -> None:
    patches = sorted(path.stem for path in mutations.PATCHES.glob("*.patch"))
    assert sorted(mutation.patch for mutation in mutations.MUTATIONS) == patches
    assert [test for _, _, _, test in mutations.MUTATIONS if not (mutations.ROOT / test).exists()] == []
