"""No key ever signs twice, whatever is done to the installations of a validator, and in the end the chain is signed.

The number of steps is in `MODEL_STEPS`: 2,000 by default, 10,000 in `make test`; `make soak` runs a million with a
seed of its own, which it prints. `MODEL_SEED` repeats a run.
"""

import os
import random

import hypothesis
import pytest
from hypothesis.stateful import run_state_machine_as_test

from tests.model import machine

_LENGTH = 100
"""Most rules of one run of the machine."""
_PART = 50
"""Runs after which the number of steps is printed."""
_SEED = os.environ.get("MODEL_SEED", "")
_SOAK = 1_000_000
"""Steps in `make soak`."""


def _run(steps: int, seed: int) -> None:
    """Run the machine for so many steps, in parts, because hypothesis remembers every run of one test."""
    phases = [hypothesis.Phase.generate]
    if os.environ.get("MODEL_SHRINKS") != "no":
        phases.append(hypothesis.Phase.shrink)
    machine.Counted.steps = machine.Counted.examples = part = 0
    while machine.Counted.steps < steps:
        settings = hypothesis.settings(
            max_examples=min(_PART, (steps - machine.Counted.steps) // _LENGTH + 1),
            stateful_step_count=_LENGTH,
            database=None,
            deadline=None,
            phases=phases,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        run_state_machine_as_test(hypothesis.seed(seed + part)(machine.Signing), settings=settings)
        part += 1
        print(f"{machine.Counted.steps} steps in {machine.Counted.examples} runs", flush=True)


def test_no_key_signs_twice() -> None:
    _run(int(os.environ.get("MODEL_STEPS", "2000")), int(_SEED or 0))


@pytest.mark.soak
def test_no_key_signs_twice_in_a_million_steps() -> None:
    seed = int(_SEED or random.SystemRandom().randrange(2**32))
    print(f"\nMODEL_SEED={seed}")
    _run(int(os.environ.get("MODEL_STEPS", _SOAK)), seed)
