"""Errors for invalid settings name the key and the value, but never a secret."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from ics import errors
from ics.config import settings, stack_file
from tests.unit import factories

HEX = "5eed" * 16
WORDS = "abandon ability able about"
LOGIN = "http://user:passw0rd@node:26657"
NO_ADDRESS = (
    "is not a valid URL; use http://HOST:PORT or https://HOST, PORT from 1 to 65535 and IPv6 in brackets"
)
VALUES = factories.settings().model_dump(mode="json", exclude_defaults=True)
PRIVATE = {"pub_key": {"value": "b"}, "priv_key": {"type": "tendermint/PrivKeyEd25519", "value": "5eed"}}


def merged(at: Mapping[str, Any], keys: list[str], value: object) -> dict[str, Any]:
    inner = merged(at.get(keys[0], {}), keys[1:], value) if keys[1:] else value
    return {**at, keys[0]: inner}


def said(key: str, value: object) -> str:
    with pytest.raises(errors.SettingsError) as caught:
        settings.parse(merged(VALUES, key.split("."), value), "x")
    (line,) = caught.value.problems
    return line.removeprefix(f"x: ics:{key}: ")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", HEX),
        ("account", WORDS),
        ("account.file", [WORDS]),
        ("reconciler.seed", HEX),
        ("reconciler.account", WORDS),
        ("reconciler.seed", [5_170_517]),
        ("reconciler", HEX),
        ("pulumi.passphrase", "open sesame"),
        ("pulumi.passphrase.env", ["open sesame"]),
        ("pulumi", "open sesame"),
        ("consensus_keys", HEX),
        ("consensus_keys.7", HEX),
        ("consensus_keys.7.imported", HEX),
        ("consensus_keys.7.imported.secret", HEX),
    ],
)
def test_invalid_secret_source_is_not_quoted_in_the_error(key: str, value: object) -> None:
    line = said(key, value)
    assert "found" not in line
    assert not any(word in line for word in (HEX, WORDS, "5170517", "open sesame"))


@pytest.mark.parametrize("value", [PRIVATE, json.dumps(PRIVATE), "5eed"])
def test_private_key_in_place_of_signer_public_key_is_not_quoted(value: object) -> None:
    remote = {"public_key": value, "allow_from": ["192.0.2.10/32"]}
    with pytest.raises(errors.SettingsError) as caught:
        settings.parse(merged(VALUES, ["consensus_keys", "7"], {"remote": remote}), "x")
    (line,) = caught.value.problems
    assert line.startswith("x: ics:consensus_keys.7.remote.public_key: not an ed25519 consensus key; use {")
    assert "5eed" not in line


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        (
            "provider.rpc",
            [LOGIN.replace("http", "tcp")],
            f"x: ics:provider.rpc.0.url: 'tcp://node:26657' {NO_ADDRESS}",
        ),
        (
            "provider.grpc",
            ["user:passw0rd@node:9090/?key=t0ken"],
            f"x: ics:provider.grpc.0.url: 'node:9090/…' {NO_ADDRESS}",
        ),
        (
            "provider.rpc",
            ["http://user:passw0rd@node:abc"],
            f"x: ics:provider.rpc.0.url: 'http://node:abc' {NO_ADDRESS}",
        ),
        ("provider.rest", LOGIN, "Input should be a valid tuple"),
        (
            "pulumi.backend",
            "S3://key:passw0rd@bucket",
            "not a backend of Pulumi; use file:///FOLDER, s3://BUCKET, gs://BUCKET, azblob://CONTAINER,"
            " postgres://HOST/DATABASE or https://api.pulumi.com (found 'S3://bucket', in part)",
        ),
        (
            "pulumi.backend",
            "postgres://ics:passw0rd@db/ics",
            "contains a password, which everyone who reads the settings sees; put the URL into $PULUMI_BACKEND_URL"
            " instead (found 'postgres://db/…', in part)",
        ),
        ("validator", "Alice", f"String should match pattern '{settings._DNS_LABEL}' (found 'Alice')"),
        ("provider.max_lag", "1y", "invalid duration '1y'; use a number and a unit (s, m, h or d), e.g. 24h"),
        ("provider.max_lag", "0.5s", "invalid duration '0.5s'; use whole seconds, e.g. 30s"),
        ("provider.max_lag", "٣s", "invalid duration '٣s'; use a number and a unit (s, m, h or d), e.g. 24h"),
        (
            "provider.max_lag",
            "300y",
            "invalid duration '300y'; use a number and a unit (s, m, h or d), e.g. 24h",
        ),
        (
            "provider.gas_price",
            "stake",
            "invalid gas price 'stake'; use an amount and a denomination, e.g. 0.001stake",
        ),
        ("node.storage", "10 GB", "invalid quantity '10 GB'; use a number and a unit, e.g. 10Gi"),
        (
            "reconciler.schedule",
            "hourly",
            r"String should match pattern '^(@[a-z]+|\S+( \S+){4})$' (found 'hourly')",
        ),
        ("provider.chain_id", [{"file": "x"}], "a list where text is expected; write one text"),
    ],
)
def test_invalid_value_is_quoted_without_credentials_of_its_url(key: str, value: object, line: str) -> None:
    assert said(key, value) == line


@pytest.mark.parametrize(
    ("environment", "overrides"),
    [
        ({"ICS_RECONCILER__SEED": HEX}, []),
        ({"ICS_PULUMI__PASSPHRASE": HEX}, []),
        ({"ICS_PROVIDER__RPC": f"[tcp://user:{HEX}@node:26657]"}, []),
        ({}, [f"reconciler.account={HEX}"]),
        ({}, [f"account={HEX}"]),
        ({}, [f"provider.rest=[tcp://{HEX}@node:1317]"]),
        ({}, [f"seed:{HEX}"]),
    ],
)
def test_invalid_override_is_not_quoted_in_the_error(
    tmp_path: pathlib.Path, environment: dict[str, str], overrides: list[str]
) -> None:
    (tmp_path / "stacks").mkdir()
    document = {"config": {f"ics:{key}": value for key, value in VALUES.items()}}
    (tmp_path / "stacks" / "Pulumi.alice.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(errors.SettingsError) as caught:
        stack_file.load_settings(tmp_path, "alice", environment, overrides)
    assert HEX not in str(caught.value)


def test_pushed_alerts_outlast_the_pause_between_two_passes() -> None:
    slow = {**VALUES, "daemon": {"polling": {"background": "5m"}}}
    assert settings.parse(slow, "x").monitoring.resolve_after == 300
    pushed = {**slow, "monitoring": {"alertmanager": ["http://a:9093"]}}
    with pytest.raises(errors.SettingsError, match=r"resolve_after: 300s is too short.* at least .*, 600s"):
        settings.parse(pushed, "x")
    enough = merged(pushed, ["monitoring", "resolve_after"], "10m")
    assert settings.parse(enough, "x").monitoring.resolve_after == 600
