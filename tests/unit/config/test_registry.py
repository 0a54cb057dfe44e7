"""Drafts of definitions from the files of a chain registry: recorded ones of two real chains, and damaged ones."""

import json
import pathlib
import re
from typing import Any

import hypothesis
import pytest
import yaml
from hypothesis import strategies

from ics import errors
from ics.config import chain_definition, registry
from tests.unit import factories

FOLDER = pathlib.Path(__file__).with_name("registry")
CHAINS = ("neutron", "stride")
PUBLISHED = registry.PublishedFile("ab" * 32, 500_000)


def read(name: str, file: str) -> dict[str, Any]:
    path = FOLDER / name / file
    return registry.parse(path.read_bytes(), path.name)


def draft(name: str, **options: Any) -> registry.Draft:
    return registry.draft(read(name, "chain.json"), read(name, "versions.json"), **options)


def filled(found: registry.Draft) -> dict[str, Any]:
    """The values of a draft whose holes were filled in."""
    text = found.text().replace("owner: FILL_IN", f"owner: {factories.OWNER}")
    text = text.replace("sha256: FILL_IN", f"sha256: {'ab' * 32}").replace(
        "image: FILL_IN", "image: repo/x:1"
    )
    values: dict[str, Any] = yaml.safe_load(text)
    return values


@pytest.mark.parametrize("name", CHAINS)
def test_draft_of_a_real_chain_is_the_recorded_one(name: str) -> None:
    assert draft(name).text() == (FOLDER / f"{name}.draft.yaml").read_text()


@pytest.mark.parametrize("name", CHAINS)
def test_each_hole_is_refused_by_name_and_a_filled_draft_is_valid(name: str) -> None:
    found = draft(name)
    with pytest.raises(errors.SettingsError) as caught:
        chain_definition.parse(yaml.safe_load(found.text()), "file")
    assert caught.value.problems == tuple(
        f"file: {key}: FILL_IN; replace it by the value" for key in keys(found)
    )
    definition = chain_definition.parse(filled(found), "file")
    assert definition.name == name
    assert len(definition.upgrades) == len(read(name, "versions.json")["versions"]) - 1


def keys(found: registry.Draft) -> list[str]:
    """The holes in the order of the file."""
    holes = {key for key, _ in found.holes}
    assert len(holes) == len(found.holes)
    first = ["match.owner", "image", "genesis.final.sha256"]
    return [*[key for key in first if key in holes], *sorted(holes - set(first), key=natural)]


def natural(key: str) -> list[Any]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", key)]


def test_template_fills_in_the_image_of_every_version() -> None:
    found = draft("neutron", template="registry.example.com/neutron:{tag}", published=PUBLISHED)
    assert [key for key, _ in found.holes] == ["match.owner"]
    assert found.values["image"] == "registry.example.com/neutron:v1.0.4"
    assert [one["image"].partition(":")[2] for one in found.values["upgrades"]] == [
        "v2.0.4",
        "v3.0.2",
        "v3.0.6",
        "v4.2.0",
        "v5.0.2",
        "v6.0.0",
    ]
    assert any("does not say what follows v5.0.2" in doubt for doubt in found.doubts)


def test_image_is_that_of_the_first_version_only() -> None:
    found = draft("stride", image="registry.example.com/stride:v8")
    assert found.values["image"] == "registry.example.com/stride:v8"
    assert "image" not in [key for key, _ in found.holes]
    assert "upgrades.0.image" in [key for key, _ in found.holes]


def camel(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            re.sub(r"_([a-z])", lambda one: one[1].upper(), key): camel(inner) for key, inner in value.items()
        }
    return [camel(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", CHAINS)
def test_other_spelling_of_the_same_file_gives_the_same_draft(name: str) -> None:
    files = [
        registry.parse(json.dumps(camel(json.loads((FOLDER / name / file).read_text()))).encode(), file)
        for file in ("chain.json", "versions.json")
    ]
    assert registry.draft(*files) == draft(name)


def test_fetched_genesis_is_hashed_and_a_large_one_is_prepared_by_the_pod() -> None:
    small = draft("neutron", published=PUBLISHED).values["genesis"]["final"]
    assert (small["sha256"], "large" in small) == ("ab" * 32, False)
    large = draft("neutron", published=registry.PublishedFile("ab" * 32, 5_000_000)).values["genesis"][
        "final"
    ]
    assert large["large"] is True


def test_only_servers_that_answered_are_listed() -> None:
    assert draft("neutron", rpc=("https://a.example",)).values["rpc"] == ["https://a.example"]
    assert any("fewer than two" in doubt for doubt in draft("neutron", rpc=()).doubts)
    assert "rpc" not in draft("neutron", rpc=()).values


def test_chain_with_ethereums_accounts_is_recognised() -> None:
    chain = read("neutron", "chain.json") | {"key_algos": ["ethsecp256k1"], "slip44": 60}
    found = registry.draft(chain, None)
    assert found.values["address_type"] == "ethermint"
    chain_definition.parse(filled(found), "file")


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"<html>", b'"x"', b"[" * 100_000, b"{" + b" " * registry.LARGEST]
)
def test_other_files_are_refused_in_one_line(content: bytes) -> None:
    with pytest.raises(errors.SettingsError, match=r"^chain\.json: "):
        registry.parse(content, "chain.json")


@pytest.mark.parametrize("template", ["repo/x", "repo/x:{tag} y", "{tag}", "REPO:{tag}"])
def test_template_without_a_valid_name_is_refused(template: str) -> None:
    if template == "{tag}":  # an image of one word is one
        assert registry.check_template(template) == template
        return
    with pytest.raises(errors.SettingsError, match=r"use REPOSITORY:\{tag\}"):
        registry.check_template(template)


def test_hostile_texts_cannot_leave_their_place_in_the_file() -> None:
    chain = read("neutron", "chain.json") | {"chain_id": "x\n# owner", "daemon_name": "a: b # c\u202e"}
    chain["peers"] = {"seeds": [{"id": "\x1b[31m", "address": "x:1"}]}
    text = registry.draft(chain, None).text()
    assert "\x1b" not in text
    assert yaml.safe_load(text)["match"]["chain_id"] == "FILL_IN"
    assert yaml.safe_load(text)["binary"] == "FILL_IN"


KEYS = [
    "chain_id",
    "fees",
    "fee_tokens",
    "peers",
    "seeds",
    "apis",
    "rpc",
    "address",
    "id",
    "codebase",
    "genesis",
    "genesis_url",
    "versions",
    "name",
    "height",
    "recommended_version",
    "denom",
    "key_algos",
    "slip44",
]
JSON: strategies.SearchStrategy[Any] = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.text(max_size=8),
    lambda inner: (
        strategies.lists(inner, max_size=4)
        | strategies.dictionaries(strategies.sampled_from(KEYS), inner, max_size=6)
    ),
    max_leaves=30,
)


@hypothesis.settings(derandomize=True, max_examples=300, deadline=None)
@hypothesis.given(JSON, JSON)
def test_any_file_becomes_a_draft_or_is_refused(chain: Any, versions: Any) -> None:
    files = []
    for value in (chain, versions):
        try:
            files.append(registry.parse(json.dumps(value).encode(), "file"))
        except errors.SettingsError:
            return
    found = registry.draft(*files, template="repo/x:{tag}")
    assert yaml.safe_load(found.text()) == json.loads(json.dumps(found.values))
