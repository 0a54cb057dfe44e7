"""Values that Pulumi has encrypted in a stack file: of use only where Pulumi itself hands them over."""

import pathlib

import pytest
import yaml

from ics import errors
from ics.config import secret_sources, stack_file
from tests.unit import scenes

SEED = stack_file.IN_PULUMI.format(key="seed")


def project(folder: pathlib.Path, **changes: object) -> pathlib.Path:
    values = scenes.settings().model_dump(mode="json", exclude_defaults=True) | changes
    (folder / "stacks").mkdir()
    document = {"config": {f"ics:{key}": value for key, value in values.items()}}
    (folder / "stacks" / "Pulumi.alice.yaml").write_text(yaml.safe_dump(document))
    return folder


def test_an_encrypted_seed_is_refused_where_nobody_can_open_it(tmp_path: pathlib.Path) -> None:
    root = project(tmp_path, seed={"secure": "v1:abc"})
    with pytest.raises(errors.SettingsError, match=r"ics:seed: only Pulumi can read a `secure:` value: give"):
        stack_file.load_settings(root, "alice", {})


def test_an_encrypted_seed_is_read_from_what_pulumi_hands_over(tmp_path: pathlib.Path) -> None:
    root = project(tmp_path, seed={"secure": "v1:abc"})
    assert stack_file.load_settings(root, "alice", {SEED: "ab" * 32}).seed == secret_sources.SecretSource(
        env=SEED
    )


def test_another_source_goes_before_what_pulumi_has(tmp_path: pathlib.Path) -> None:
    root = project(tmp_path)
    assert stack_file.load_settings(root, "alice", {SEED: "ab" * 32}).seed == secret_sources.SecretSource(
        env="SEED"
    )


def test_no_other_setting_may_be_encrypted(tmp_path: pathlib.Path) -> None:
    root = project(tmp_path, node={"storage": {"secure": "v1:abc"}})
    with pytest.raises(errors.SettingsError, match=r"ics:node\.storage: only Pulumi"):
        stack_file.load_settings(root, "alice", {stack_file.IN_PULUMI.format(key="node"): "x"})
