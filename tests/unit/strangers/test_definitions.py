"""A typo in one definition holds the chains that it may be of, and no other."""

import pathlib
from typing import Any

import pytest
import yaml

from ics import errors, model
from ics.conditions import Severity
from ics.config import chain_definition, stack_file
from ics.consumer import desired
from ics.reconciler import wiring
from ics.reconciler.daemon import definitions
from tests.unit import factories
from tests.unit.config import test_stack_file

DEFINITION = factories.example().definition.model_dump(mode="json", exclude_defaults=True)
OURS = factories.consumer(consumer_id="0", chain_id="consumer1-1")
OTHER = factories.consumer(consumer_id="7", chain_id="other-1")
NAMED = factories.example(name="other", match={"chain_id": "other-1", "owner": factories.OWNER})
PATTERN = factories.example(match={"chain_id": "*-1", "owner": factories.OWNER})


def invalid(match: dict[str, Any] | None) -> chain_definition.InvalidDefinition:
    found = None if match is None else chain_definition.parse_match({"match": match})
    return chain_definition.InvalidDefinition(
        "bad", ("stacks/chains/bad.yaml: image: missing; add it",), found
    )


def judged(
    bad: chain_definition.InvalidDefinition, *valid: chain_definition.LoadedDefinition, joined: bool = False
) -> desired.Desired:
    chain = factories.consumer(found=factories.joined("alice")) if joined else OURS
    seen = factories.observation(
        factories.snapshot(chain, OTHER), memory=factories.staged("alice", "0", "7"), spare=factories.SPARE
    )
    return desired.compute(seen, factories.settings(), factories.seed("alice"), valid, None, [bad])


def opted_in(wanted: desired.Desired) -> list[str]:
    return [intent.consumer_id for intent in wanted.intents if isinstance(intent, model.OptIn)]


def test_chains_of_the_invalid_definition_are_held_and_others_joined() -> None:
    wanted = judged(invalid({"chain_id": "consumer*-1", "owner": factories.OWNER}), NAMED)

    by_id = {one.summary.consumer_id: one for one in wanted.decisions}
    assert opted_in(wanted) == ["7"]
    [condition] = by_id["0"].conditions
    assert (condition.reason, condition.severity) == ("DefinitionInvalid", Severity.WARNING)
    assert condition.message == (
        "consumer1-1 is left as it is: definition bad, which may be its own, is invalid: stacks/chains/bad.yaml:"
        " image: missing; add it"
    )
    assert by_id["0"].is_paused


def test_chain_is_not_run_by_a_pattern_while_its_own_definition_is_invalid() -> None:
    wanted = judged(invalid({"chain_id": "consumer1-1", "owner": factories.OWNER}), PATTERN)
    assert opted_in(wanted) == ["7"]


def test_member_is_alarmed() -> None:
    wanted = judged(invalid({"chain_id": "consumer*-1", "owner": factories.OWNER}), NAMED, joined=True)
    [condition] = wanted.decisions[0].conditions
    assert (condition.reason, condition.severity) == ("DefinitionInvalid", Severity.CRITICAL)


def test_file_that_is_unreadable_holds_what_only_a_pattern_matches() -> None:
    assert opted_in(judged(invalid(None), NAMED)) == ["7"]
    assert opted_in(judged(invalid(None), PATTERN)) == []


@pytest.mark.parametrize(
    ("text", "match", "says"),
    [
        (
            yaml.safe_dump(
                {**DEFINITION, "name": "bad", "config": {"app.toml": {"telemetry": {"enabled": None}}}}
            ),
            True,
            "bad.yaml: config.app.toml.telemetry.enabled: has no value",
        ),
        (yaml.safe_dump({**DEFINITION, "name": "bad", "image": None}), True, "bad.yaml: image: no value"),
        ("name: [", False, "bad.yaml line 1: malformed YAML"),
        ("- 1", False, "bad.yaml: not a mapping"),
        (yaml.safe_dump({**DEFINITION, "name": "bad", "match": {}}), False, "bad.yaml: match.owner: missing"),
        (yaml.safe_dump({**DEFINITION, "name": "another"}), True, "differs from the file name"),
    ],
)
async def test_each_file_is_read_for_itself(
    text: str, match: bool, says: str, tmp_path: pathlib.Path
) -> None:
    chains = tmp_path / "stacks" / "chains"
    chains.mkdir(parents=True)
    (chains / "bad.yaml").write_text(text)
    (chains / "ics-example.yaml").write_text(yaml.safe_dump(DEFINITION))
    (chains / "base.json").write_text(factories.BASE)

    found = definitions.Definitions(tmp_path, wiring.fetch)
    await found.load()

    assert [loaded.definition.name for loaded in found.loaded] == ["ics-example"]
    [bad] = found.invalid
    assert (bad.name, bad.match is not None) == ("bad", match)
    assert says in "; ".join(bad.problems)
    with pytest.raises(errors.SettingsError, match=r"bad\.yaml"):
        stack_file.read_definitions(tmp_path)


async def test_reconciler_in_the_cluster_does_not_get_a_part_of_the_definitions(
    tmp_path: pathlib.Path,
) -> None:
    secret = {"namespace": "n", "name": "s", "key": "k"}
    root = test_stack_file.project(
        tmp_path,
        seed={"secret": secret},
        account={"secret": secret},
        reconciler={"enabled": True, "image": "ics:1"},
    )
    (root / "stacks" / "chains").mkdir()
    (root / "stacks" / "chains" / "bad.yaml").write_text("name: [")
    with pytest.raises(errors.SettingsError, match=r"bad\.yaml line 1"):
        async with wiring.open_stack(root, "alice", {}):
            raise AssertionError("not reached")
