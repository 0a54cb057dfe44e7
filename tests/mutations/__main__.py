"""Run the tests on the product with one protection after the other taken out: `python -m tests.mutations [NAME …]`.

Prints row, mutation, processor time and the test that failed; the exit status is 1 if a mutation was not noticed.
"""

import sys
from collections.abc import Sequence

from tests.mutations import MUTATIONS, run


def main(names: Sequence[str]) -> int:
    """Run the mutations with these names, or all."""
    missed = 0
    for mutation in MUTATIONS:
        if not names or mutation.patch in names:
            result = run.run(mutation)
            missed += not result.test
            print(result, flush=True)
    print(f"{missed} not noticed" if missed else "all noticed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
