"""Secret values from files and the environment."""

import pathlib

import pytest

from ics import errors, model
from ics.cluster import secrets
from ics.config import secret_sources


async def read(source: secret_sources.SecretSource, base: pathlib.Path, **env: str) -> model.Secret:
    return await secrets.read(source, "ics:seed", base, env, None)


async def test_secret_is_read_from_file(tmp_path: pathlib.Path) -> None:
    (tmp_path / "seed").write_text(" hunter2\n")
    (tmp_path / "seed").chmod(0o600)

    assert await read(secret_sources.SecretSource(file="seed"), tmp_path) == model.Secret("hunter2")


async def test_secret_is_read_from_environment(tmp_path: pathlib.Path) -> None:
    assert await read(secret_sources.SecretSource(env="SEED"), tmp_path, SEED="hunter2\n") == model.Secret(
        "hunter2"
    )


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610])
async def test_secret_file_readable_by_others_is_refused(tmp_path: pathlib.Path, mode: int) -> None:
    path = tmp_path / "seed"
    path.write_text("hunter2")
    path.chmod(mode)

    with pytest.raises(errors.SettingsError) as raised:
        await read(secret_sources.SecretSource(file="seed"), tmp_path)

    assert str(raised.value) == (
        f"ics:seed.file: {path} is readable by other users (mode {mode:04o}); run chmod 600 {path}"
    )


@pytest.mark.parametrize(
    ("source", "content", "text"),
    [
        (
            secret_sources.SecretSource(file="absent"),
            b"",
            "ics:seed.file: .*absent: No such file or directory",
        ),
        (secret_sources.SecretSource(file="seed"), b" \n", "ics:seed.file: the value is empty"),
        (secret_sources.SecretSource(file="seed"), b"\xff\xfe", "ics:seed.file: the value is not text"),
        (secret_sources.SecretSource(env="NO"), b"", "ics:seed.env: the variable NO is not set; set it"),
        (
            secret_sources.SecretSource(secret=secret_sources.SecretObject(namespace="a", name="b", key="c")),
            b"",
            "ics:seed: no secret source configured, or no cluster to read it from",
        ),
    ],
)
async def test_invalid_secret_source_is_refused(
    tmp_path: pathlib.Path, source: secret_sources.SecretSource, content: bytes, text: str
) -> None:
    (tmp_path / "seed").write_bytes(content)
    (tmp_path / "seed").chmod(0o600)

    with pytest.raises(errors.SettingsError, match=text):
        await read(source, tmp_path)


async def test_key_that_the_keystore_lacks_is_named_with_its_setting(tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.SettingsError) as raised:
        await read(secret_sources.SecretSource(keystore="mine-seed"), tmp_path, HOME=str(tmp_path))

    assert str(raised.value) == (
        f"ics:seed.keystore: key 'mine-seed': not found in {tmp_path}/.ics/keys; available: none; correct the name, or"
        " restore the key by ics keys import"
    )
