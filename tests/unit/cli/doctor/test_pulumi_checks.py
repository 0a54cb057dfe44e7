"""What the doctor says about CLI, plugin, backend, passphrase and locks, from given facts."""

import datetime
import pathlib
from typing import Any

import pytest

from ics.cli.doctor import findings, pulumi_checks
from ics.config import state_backend
from ics.engines.pulumi import locks, stack

OK, WARN, FAIL = findings.Level.OK, findings.Level.WARN, findings.Level.FAIL
ALICE = stack.Stack(pathlib.Path("/project"), "alice")
WHERE = stack.locate(stack.Candidates(setting="file:///state"))
SINCE = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("setting", "recorded", "used"),
    [
        ("pulumi", "", True),
        ("pulumi", "apply", True),
        ("auto", "pulumi", True),
        ("auto", "apply", False),
        ("auto", "", False),
        ("apply", "pulumi", False),
    ],
)
def test_stack_is_pulumis_by_its_setting_or_record(setting: str, recorded: str, used: bool) -> None:
    assert pulumi_checks.is_used(setting, recorded) is used


@pytest.mark.parametrize(
    ("text", "level", "part"),
    [
        ("v3.272.0\n", OK, "pulumi 3.272.0"),
        ("3.280.1", OK, "pulumi 3.280.1"),
        ("v3.99.0", WARN, "pulumi 3.99.0 is older than the program's library; install version 3.272.0"),
        ("v4.0.0", FAIL, "does not fit the program; install version 3.272.0"),
        ("dev", WARN, "not a version; install 3.272.0"),
    ],
)
def test_version_of_the_cli_fits_the_library(text: str, level: findings.Level, part: str) -> None:
    found = pulumi_checks.version(text, "3.272.0")
    assert (found.level, part in found.text) == (level, True)


@pytest.mark.parametrize(
    ("versions", "on_path", "level", "part"),
    [
        (["4.30.0", "4.34.2"], "", OK, "plugin kubernetes 4.34.2"),
        (["4.30.0"], "", FAIL, "needs plugin kubernetes 4.34.2, and there is only 4.30.0; run `install it`"),
        ([], "", FAIL, "there is none; run `install it`"),
        (["4.34.2"], "/bin/plugin", WARN, "takes /bin/plugin from the PATH, whatever its version"),
    ],
)
def test_plugin_has_the_version_that_the_program_needs(
    versions: list[str], on_path: str, level: findings.Level, part: str
) -> None:
    installed = [{"name": "kubernetes", "version": version} for version in versions]
    found = pulumi_checks.plugin([{"name": "python"}, *installed], on_path, "4.34.2", "install it")
    assert (found.level, part in found.text) == (level, True), found.text


def test_backend_that_the_last_pass_did_not_use_is_a_warning() -> None:
    assert [one.level for one in pulumi_checks.location(WHERE, "")] == [OK]
    assert [one.level for one in pulumi_checks.location(WHERE, "file:///state")] == [OK]
    _, found = pulumi_checks.location(WHERE, "s3://states?key=hidden")
    assert (found.level, "set ics:pulumi.backend: s3://states?…" in found.text) == (WARN, True)


@pytest.mark.parametrize(
    ("facts", "level", "part"),
    [
        ({}, FAIL, "neither $PULUMI_CONFIG_PASSPHRASE_FILE nor $PULUMI_CONFIG_PASSPHRASE"),
        ({"environment": {stack.PASSPHRASE: ""}}, OK, "from $PULUMI_CONFIG_PASSPHRASE"),
        ({"environment": {stack.PASSPHRASE_FILE: "/p"}}, FAIL, "/p does not exist or is not readable"),
        ({"environment": {stack.PASSPHRASE_FILE: "/p"}, "file_mode": 0o644}, WARN, "run `chmod 600 /p`"),
        ({"environment": {stack.PASSPHRASE_FILE: "/p"}, "file_mode": 0o600}, OK, "from /p"),
        ({"secrets_provider": "awskms://alias/ics"}, OK, "secrets provider is awskms"),
        ({"backend": state_backend.parse("https://api.pulumi.com")}, OK, "service encrypts"),
        (
            {"backend": state_backend.parse("https://api.pulumi.com"), "secrets_provider": "passphrase"},
            FAIL,
            "not set",
        ),
    ],
)
def test_missing_passphrase_is_a_failure(facts: dict[str, Any], level: findings.Level, part: str) -> None:
    values = {"is_set": False, "environment": {}, "secrets_provider": "", "backend": WHERE.backend, **facts}
    found = pulumi_checks.passphrase(pulumi_checks.PassphraseFacts(**values))
    assert found is not None
    assert (found.level, part in found.text) == (level, True), found.text


def test_passphrase_of_the_setting_is_left_to_its_reader() -> None:
    facts = pulumi_checks.PassphraseFacts(
        is_set=True, environment={}, secrets_provider="", backend=WHERE.backend
    )
    assert pulumi_checks.passphrase(facts) is None


@pytest.mark.parametrize(
    ("host", "began", "part"),
    [
        ("host-1", SINCE, "which is running: `pulumi up`; answer its prompt"),
        ("host-1", None, "which has ended; the next pass that changes something removes the lock"),
        ("host-2", None, "run `PULUMI_BACKEND_URL=file:///state pulumi cancel --yes --stack alice`"),
    ],
)
def test_holder_of_a_lock_is_named_with_the_state_of_its_process(
    host: str, began: datetime.datetime | None, part: str
) -> None:
    lock = locks.Lock("root", "host-1", 4711, SINCE)
    this_run = locks.ThisProcess("root", host, lambda pid: began, lambda pid: "pulumi up")
    [found] = pulumi_checks.held_locks([lock], ALICE, WHERE, this_run)
    assert "stack alice is locked by root@host-1 (process 4711, since 2026-01-02 03:04:05" in found.text
    assert part in found.text
