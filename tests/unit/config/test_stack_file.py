"""Values that Pulumi encrypted in a stack file; only Pulumi can decrypt them."""

import pathlib

import pytest
import yaml

from ics import errors
from ics.config import secret_sources, stack_file
from tests.unit import factories

SEED = stack_file.IN_PULUMI.format(key="seed")


def project(folder: pathlib.Path, **changes: object) -> pathlib.Path:
    values = factories.settings().model_dump(mode="json", exclude_defaults=True) | changes
    (folder / "stacks").mkdir()
    document = {"config": {f"ics:{key}": value for key, value in values.items()}}
    (folder / "stacks" / "Pulumi.alice.yaml").write_text(yaml.safe_dump(document))
    return folder


def test_encrypted_seed_outside_pulumi_is_refused(tmp_path: pathlib.Path) -> None:
    root = project(tmp_path, seed={"secure": "v1:abc"})
    with pytest.raises(errors.SettingsError, match=r"ics:seed: only Pulumi can read a `secure:` value; use"):
        stack_file.load_settings(root, "alice", {})


def test_encrypted_seed_is_read_from_variable_set_by_pulumi(tmp_path: pathlib.Path) -> None:
    root = project(tmp_path, seed={"secure": "v1:abc"})
    assert stack_file.load_settings(root, "alice", {SEED: "ab" * 32}).seed == secret_sources.SecretSource(
        env=SEED
    )


def test_seed_source_in_the_stack_file_precedes_variable_set_by_pulumi(tmp_path: pathlib.Path) -> None:
    root = project(tmp_path)
    assert stack_file.load_settings(root, "alice", {SEED: "ab" * 32}).seed == secret_sources.SecretSource(
        env="SEED"
    )


def test_encrypted_value_of_setting_other_than_seed_is_refused(tmp_path: pathlib.Path) -> None:
    root = project(tmp_path, node={"storage": {"secure": "v1:abc"}})
    with pytest.raises(errors.SettingsError, match=r"ics:node\.storage: only Pulumi"):
        stack_file.load_settings(root, "alice", {stack_file.IN_PULUMI.format(key="node"): "x"})
