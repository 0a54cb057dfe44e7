"""A preview by hand counts the objects that only the stack's state lacks, under Pulumi's own mocks."""

from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks

from ics import manifests
from ics.engines.applyset import members
from ics.engines.pulumi import runs
from tests.unit.pulumi_program import test_resources
from tests.unit.pulumi_program.test_resources import Recorder, launched

recorder = test_resources.recorder


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(pulumi.log, "info", lambda text, component: lines.append(text))
    return lines


def run(recorder: Recorder, is_preview: bool, created: int, existing: int) -> None:
    """Declare a stack.

    Args:
        recorder: stands for Pulumi.
        is_preview: whether it previews.
        created: this many objects are not in the state.
        existing: this many objects are in the cluster.
    """
    from ics.engines.pulumi import resources

    rendered = manifests.render(launched(), "set")
    keys = [members.key_of(manifest) for manifest in rendered]
    missing = {runs.resource_name(key) for key in keys[:created]}
    register: Any = recorder.new_resource

    def new_resource(args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        identity, state = register(args)
        return (None if is_preview and args.name in missing else identity), state

    mocks.set_mocks(recorder, preview=is_preview)
    recorder.new_resource = new_resource  # type: ignore[method-assign]

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def declare() -> None:
        resources.stack(rendered, {}, None, None, adoptable=keys[:existing])

    declare()


@pytest.mark.parametrize(
    ("created", "existing", "count"),
    [
        pytest.param(4, 4, 4, id="the embedded engine made them all"),
        pytest.param(4, 3, 3, id="one of them is new"),
        pytest.param(2, 4, 2, id="the state lacks two"),
    ],
)
def test_preview_counts_existing_objects_that_the_state_lacks(
    recorder: Recorder, printed: list[str], created: int, existing: int, count: int
) -> None:
    run(recorder, True, created, existing)
    [line] = printed
    assert line.startswith(f"{count} of these objects exist in the cluster already")


@pytest.mark.parametrize(
    ("is_preview", "created", "existing"),
    [
        pytest.param(True, 0, 4, id="the state has them all"),
        pytest.param(True, 4, 0, id="an empty cluster"),
        pytest.param(False, 4, 4, id="an update"),
    ],
)
def test_nothing_is_said_where_nothing_is_taken_over(
    recorder: Recorder, printed: list[str], is_preview: bool, created: int, existing: int
) -> None:
    run(recorder, is_preview, created, existing)
    assert printed == []
