"""The stack's settings as Pulumi itself checks and keeps them, with the real CLI, told in order."""

import asyncio
import pathlib

import pytest
import yaml

from ics.config import stack_file as config_stack_file
from ics.engines.applyset import members
from ics.engines.pulumi import secure_config
from tests.pulumi import secrecy, stage
from tests.unit import factories

pytestmark = pytest.mark.pulumi

SEED = factories.seed("alice").reveal().hex()


def stack_file(place: stage.Stage) -> pathlib.Path:
    return place.root / "stacks" / f"Pulumi.{place.validator}.yaml"


def test_a_seed_in_pulumis_secret_config_gives_the_same_keys(place: stage.Stage) -> None:
    facts = place.facts([0])
    wanted = place.order(facts)  # its keys come from the seed in a file
    place.typed(
        ["export", f"PULUMI_BACKEND_URL=file://{place.backend}"],
        ["export", f"PULUMI_CONFIG_PASSPHRASE_FILE={place.root / 'passphrase'}"],
        ["pulumi", "stack", "init", place.validator],
    )
    place.pulumi("config", "set", "--secret", "ics:seed", SEED)
    text = stack_file(place).read_text()
    assert config_stack_file.is_secure(yaml.safe_load(text)["config"]["ics:seed"])
    (place.root / "seed").unlink()
    opened = asyncio.run(secure_config.decrypt_values(place.root, place.validator, {}))
    assert opened == {config_stack_file.IN_PULUMI.format(key="seed"): SEED}

    said = place.pulumi("up", "--yes", "--skip-preview", handed=facts)

    place.set("seed", {"env": "SEED"})  # which is read only where a key is derived
    live = place.objects(wanted)
    made = {str(members.key_of(m)): m["data"] for m in wanted.manifests if m["kind"] == "Secret"}
    assert {name: live[name]["data"] for name in made} == made
    assert SEED not in said + text + place.pulumi("stack", "output", "--show-secrets")


def test_the_seed_is_nowhere_in_plain(place: stage.Stage) -> None:
    assert secrecy.leaks({SEED.encode()}, [place.backend, place.root / "stacks"]) == []


def test_a_setting_of_another_type_stops_pulumi_before_the_program(place: stage.Stage) -> None:
    facts = place.facts([0])
    place.set("gateway", "a text")
    with pytest.raises(AssertionError, match="configuration key 'gateway' must be of type 'object'"):
        place.pulumi("preview", handed=facts)
