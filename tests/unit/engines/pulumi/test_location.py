"""Files of a state in a folder."""

import pathlib

import pytest

from ics.engines.pulumi import location, stack

ATTRIBUTES = '{"user.content_type": "text/plain"}'


@pytest.fixture
def state(tmp_path: pathlib.Path) -> pathlib.Path:
    """The file of alice's state, in the folder of a project."""
    (tmp_path / "Pulumi.yaml").write_text("name: ics\nruntime: python\n")
    path = tmp_path / "state" / ".pulumi" / "stacks" / "ics" / "alice.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    return path


@pytest.mark.parametrize(
    ("text", "is_repaired"),
    [
        pytest.param("", True, id="killed while it was written"),
        pytest.param(ATTRIBUTES, False, id="whole"),
        pytest.param(None, False, id="none"),
    ],
)
@pytest.mark.parametrize("backend", ["file://state", "s3://bucket"])
def test_empty_attributes_of_a_state_are_deleted(
    tmp_path: pathlib.Path, state: pathlib.Path, text: str | None, is_repaired: bool, backend: str
) -> None:
    attributes = state.with_name("alice.json.attrs")
    if text is not None:
        attributes.write_text(text)
    where = stack.locate(stack.Candidates(setting=backend))
    is_folder = backend.startswith("file")

    assert location.repair(stack.Stack(tmp_path, "alice"), where) is (is_repaired and is_folder)

    assert attributes.exists() is (text is not None and not (is_repaired and is_folder))
    assert state.read_text() == "{}"
    assert location.repair(stack.Stack(tmp_path, "alice"), where) is False
