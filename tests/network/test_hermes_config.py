"""Whatever is rendered, the real Hermes takes: `hermes config validate` over the whole range of settings."""

import json
import os
import pathlib
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings

from devnet import cache
from devnet import hermes as recipes
from ics.relayer import hermes
from tests.unit.relayer import hermes_cases

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def program() -> pathlib.Path:
    """The real Hermes: $ICS_TEST_HERMES, or what the local network has built."""
    named = os.environ.get("ICS_TEST_HERMES")
    built = cache.find(recipes.recipe())
    if named is None and built is None:
        pytest.skip("no Hermes: run `python -m devnet build`, or set ICS_TEST_HERMES")
    return pathlib.Path(named) if named else pathlib.Path(str(built), "hermes")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("hermes") / "config.toml"


def validate(program: pathlib.Path, config: pathlib.Path) -> tuple[int, str]:
    done = subprocess.run(
        [program, "--json", "--config", config, "config", "validate"],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    try:
        return done.returncode, str(json.loads(lines[-1])["result"])
    except (ValueError, IndexError, KeyError):
        return done.returncode, done.stdout + done.stderr


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(case=hermes_cases.configs())
def test_hermes_takes_every_config(
    program: pathlib.Path, config: pathlib.Path, case: hermes_cases.Case
) -> None:
    config.write_text(hermes.config_toml(*case))
    assert validate(program, config) == (0, "configuration is valid")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('id = "b-1"', 'id = "b/1"'),
        ('id = "b-1"', 'id = "a-1"'),
        ('rpc_addr = "http://b:1"', 'rpc_addr = "b"'),
        ("gas_multiplier = 1.5", "gas_multiplier = 0.5"),
    ],
)
def test_hermes_refuses_what_is_refused_here_too(
    program: pathlib.Path, config: pathlib.Path, right: str, wrong: str
) -> None:
    """So that the test above can fail: what `ics.relayer.hermes` guards against really is an error."""
    chains = [
        hermes.HermesChain(
            chain_id=f"{name}-1",
            bech32_prefix=name,
            rpc=f"http://{name}:1",
            grpc=f"http://{name}:2",
            key_name="key",
            gas_price="0stake",
            trusting_period=60,
        )
        for name in ("a", "b")
    ]
    text = hermes.config_toml(chains[0], chains[1], hermes.HermesOptions(key_store_folder="/keys"))
    assert right in text
    config.write_text(text.replace(right, wrong))
    code, _ = validate(program, config)
    assert code != 0
