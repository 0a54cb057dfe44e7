"""Values encrypted in a stack file are decrypted once, by Pulumi, and only for its engine."""

import contextlib
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from ics import errors, model
from ics.config import secret_sources, stack_file
from ics.engines.pulumi import cli, secure_config, session, stack
from tests.unit import factories

SEED, ACCOUNT = (stack_file.IN_PULUMI.format(key=key) for key in ("seed", "account"))
SEALED = {"secure": "v1:abc"}
OPENED = {SEED: "opened ics:seed", ACCOUNT: "opened ics:account"}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[stack.Stack, model.Secret | None]]:
    """Which stacks were opened, and with which passphrase."""
    asked: list[tuple[stack.Stack, model.Secret | None]] = []

    class Session:
        def config(self, key: str) -> str:
            return f"opened {key}"

    @contextlib.contextmanager
    def opening(where: stack.Stack, passphrase: model.Secret | None) -> Iterator[Session]:
        asked.append((where, passphrase))
        yield Session()

    monkeypatch.setattr(session, "open_session", opening)
    monkeypatch.setattr(cli, "check", lambda: None)
    return asked


@pytest.fixture
def project(tmp_path: pathlib.Path) -> Callable[..., pathlib.Path]:
    """Writes a stack file."""

    def written(**changes: Any) -> pathlib.Path:
        values = factories.settings().model_dump(mode="json", exclude_defaults=True) | changes
        (tmp_path / "stacks").mkdir()
        document = {"config": {f"ics:{key}": value for key, value in values.items()}}
        (tmp_path / "stacks" / "Pulumi.alice.yaml").write_text(yaml.safe_dump(document))
        return tmp_path

    return written


async def test_seed_and_account_are_decrypted_with_stack_passphrase(opened: Any, project: Any) -> None:
    pulumi = {"backend": "file:///state", "passphrase": {"env": "WORDS"}}
    root = project(engine="pulumi", seed=SEALED, account=SEALED, pulumi=pulumi)

    found = await secure_config.decrypt_values(root, "alice", {"WORDS": "a b"})

    assert found == {"WORDS": "a b", **OPENED}
    assert opened == [(stack.Stack(root, "alice", "file:///state"), model.Secret("a b"))]
    settings = stack_file.load_settings(root, "alice", found)
    assert (settings.seed, settings.account) == (
        secret_sources.SecretSource(env=SEED),
        secret_sources.SecretSource(env=ACCOUNT),
    )


@pytest.mark.parametrize("engine", ["apply", "auto"])
async def test_other_engine_decrypts_no_value(opened: Any, project: Any, engine: str) -> None:
    root = project(engine=engine, seed=SEALED)
    found = await secure_config.decrypt_values(root, "alice", {})
    assert (found, opened) == ({}, [])
    with pytest.raises(errors.SettingsError, match=r"ics:seed: only Pulumi.*or set ics:engine to pulumi"):
        stack_file.load_settings(root, "alice", found)
    assert await secure_config.decrypt_values(root, "alice", {}, ("engine=pulumi",)) == {SEED: OPENED[SEED]}


@pytest.mark.parametrize(
    ("environment", "overrides"),
    [
        pytest.param({SEED: "ab"}, (), id="Pulumi runs the program and has opened it"),
        pytest.param({}, ("seed={file: seed}",), id="a flag gives another source"),
        pytest.param({"ICS_SEED": "{file: seed}"}, (), id="the environment does"),
    ],
)
async def test_unneeded_value_is_not_decrypted(
    opened: Any, project: Any, environment: dict[str, str], overrides: tuple[str, ...]
) -> None:
    root = project(engine="pulumi", seed=SEALED)
    found = await secure_config.decrypt_values(root, "alice", environment, overrides)
    assert (found, opened) == (environment, [])


async def test_settings_without_sealed_value_start_no_pulumi(opened: Any, project: Any) -> None:
    assert await secure_config.decrypt_values(project(engine="pulumi"), "alice", {}) == {}
    assert opened == []
