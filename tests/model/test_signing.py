"""No key ever signs twice, whatever is done to the installations of a validator."""

import os

import hypothesis
from hypothesis.stateful import run_state_machine_as_test

from tests.model import machine


def test_no_key_signs_twice() -> None:
    steps = int(os.environ.get("ICS_MODEL_STEPS", "2000"))
    run_state_machine_as_test(
        machine.Signing,
        settings=hypothesis.settings(
            max_examples=steps // 50, stateful_step_count=50, derandomize=True, database=None, deadline=None,
            phases=[hypothesis.Phase.generate],
        ),
    )
    print(f"{machine.Counted.steps} steps in {machine.Counted.examples} examples")
