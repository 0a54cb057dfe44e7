"""Chain definitions in the daemon: changed files, failing URLs and invalid definitions."""

import os
import pathlib
from collections.abc import Mapping

import pytest
import yaml

from ics import errors
from ics.conditions import Condition, Reason, Severity
from ics.cosmos import canonical_json
from ics.reconciler import reconcile, wiring
from ics.reconciler.daemon import definitions
from tests.unit import factories

BASE = b'{"app_state": {}}'
OTHER = b'{"app_state": {"auth": {}}}'
NO_STATE = "the genesis file has no app_state; use the file that `init` or the launch team writes"
URL = "https://launch.example/genesis.json"
FETCHED = {"base": {"url": URL, "sha256": canonical_json.sha256_hex(BASE)}}
TRANSIENT = f"the genesis file is not available: {URL}: no answer"


class Play:
    """A project's folder, an address, and a clock."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.chains = root / "stacks/chains"
        self.chains.mkdir(parents=True)
        self.answer: bytes | None = BASE
        self.fault: Exception | None = None
        self.fetched = 0
        self.now = 100.0
        self.changes = 0
        self.definitions = definitions.Definitions(root, self.fetch, lambda: self.now, lambda: 0.0)

    async def fetch(self, url: str) -> bytes:
        self.fetched += 1
        if self.fault is not None:
            raise self.fault
        if self.answer is None:
            raise errors.Transient(f"{url}: no answer")
        return self.answer

    def write(self, name: str, text: str) -> None:
        """Write a file as an editor does; its time differs from every other's."""
        path = self.chains / name
        path.write_text(text)
        self.changes += 1
        os.utime(path, ns=(0, self.changes))

    def define(self, name: str, genesis: Mapping[str, object], image: str = "consumer:1") -> None:
        document = {
            "name": name,
            "match": {"chain_id": f"{name}-1", "owner": factories.OWNER},
            "image": image,
            "binary": "consumerd",
            "bech32_prefix": "cosmos",
            "denom": "stake",
            "min_gas_price": "0stake",
            "genesis": genesis,
        }
        self.write(f"{name}.yaml", yaml.safe_dump(document))

    async def looks(self, count: int = 2) -> list[bool]:
        return [await self.definitions.check() for _ in range(count)]

    @property
    def known(self) -> list[tuple[str, str, bytes | None, str]]:
        return [
            (one.definition.name, one.definition.image, one.genesis, one.problem)
            for one in self.definitions.loaded
        ]


@pytest.fixture
def play(tmp_path: pathlib.Path) -> Play:
    return Play(tmp_path)


async def test_failed_genesis_url_is_retried_with_backoff(play: Play) -> None:
    play.define("one", FETCHED)
    play.answer = None
    await play.definitions.load()
    assert play.known == [("one", "consumer:1", None, TRANSIENT)]
    tries = []
    for _ in range(40):
        play.now += 0.5
        before = play.fetched
        assert await play.definitions.check() is False
        if play.fetched > before:
            tries.append(play.now)
    assert tries == [100.5, 101.5, 103.5, 107.5, 115.5]

    play.answer = BASE
    play.now += 30
    assert await play.looks() == [True, False]
    assert play.known == [("one", "consumer:1", BASE, "")]
    assert play.fetched == 1 + len(tries) + 1


async def test_fetched_genesis_is_kept_when_another_file_changes(play: Play) -> None:
    play.define("one", FETCHED)
    await play.definitions.load()
    play.answer = None
    play.write("two.json", OTHER.decode())
    play.define("two", {"base": {"file": "two.json"}})
    assert await play.looks(3) == [False, True, False]
    assert play.known == [("one", "consumer:1", BASE, ""), ("two", "consumer:1", OTHER, "")]
    assert play.fetched == 1


async def test_edited_definition_and_genesis_are_reloaded(play: Play) -> None:
    play.define("one", {"base": {"file": "one.json"}})
    await play.definitions.load()
    [(_, _, genesis, problem)] = play.known
    assert genesis is None
    assert "No such file" in problem
    play.write("one.json", OTHER.decode())
    assert await play.looks() == [False, True]
    assert play.known == [("one", "consumer:1", OTHER, "")]
    play.define("one", {"base": {"file": "one.json"}}, image="consumer:2")
    assert await play.looks() == [False, True]
    assert play.known == [("one", "consumer:2", OTHER, "")]
    play.write("one.json", '{"app_state": []}')
    assert await play.looks() == [False, True]
    assert play.known == [("one", "consumer:2", None, NO_STATE)]
    (play.chains / "one.yaml").unlink()
    assert await play.looks() == [False, True]
    assert play.known == []


async def test_file_being_written_is_not_read(play: Play) -> None:
    await play.definitions.load()
    play.define("one", FETCHED)
    assert await play.looks(1) == [False]
    play.define("one", FETCHED, image="consumer:2")
    assert await play.looks() == [False, True]
    assert play.known == [("one", "consumer:2", BASE, "")]


async def test_invalid_definition_keeps_last_valid_ones_and_retries_their_genesis(play: Play) -> None:
    play.define("one", FETCHED)
    play.answer = None
    await play.definitions.load()
    play.write("two.yaml", "name: [")
    assert await play.looks() == [False, True]
    assert play.definitions.problem.startswith("stacks/chains/two.yaml line 1: malformed YAML")
    play.answer = BASE
    play.now += 30
    assert await play.looks() == [True, False]
    assert play.known == [("one", "consumer:1", BASE, "")]

    (play.chains / "two.yaml").unlink()
    assert await play.looks() == [False, True]
    assert play.definitions.problem == ""


async def test_unexpected_error_does_not_skip_changed_definition(play: Play) -> None:
    await play.definitions.load()
    play.define("one", FETCHED)
    play.fault = RuntimeError("a mistake of the program")
    with pytest.raises(RuntimeError):
        await play.looks()
    assert play.known == []
    play.fault = None
    assert await play.looks() == [True, False]
    assert play.known == [("one", "consumer:1", BASE, "")]


async def test_invalid_genesis_url_is_transient_error() -> None:
    with pytest.raises(
        errors.Transient, match=r"^http://launch\.example:abc: no answer: Invalid port: 'abc'$"
    ):
        await wiring.fetch("http://launch.example:abc")


async def test_invalid_definition_at_start_is_put_aside_until_it_is_fixed(play: Play) -> None:
    play.write("one.yaml", "name: [")
    play.define("two", {"base": {"file": "base.json"}})
    await play.definitions.load()

    assert [loaded.definition.name for loaded in play.definitions.loaded] == ["two"]
    [invalid] = play.definitions.invalid
    assert invalid.problems[0].startswith("stacks/chains/one.yaml line 1: malformed")

    play.define("one", {"base": {"file": "base.json"}})
    assert True in await play.looks()
    assert play.definitions.invalid == ()
    assert [loaded.definition.name for loaded in play.definitions.loaded] == ["one", "two"]


def test_each_pass_reports_stale_definitions() -> None:
    assert reconcile.definition_conditions(factories.world()) == ()
    [condition] = reconcile.definition_conditions(factories.world(definitions_problem="one.yaml: wrong"))
    text = "one.yaml: wrong; until then the earlier definitions are used"
    assert condition == Condition(Severity.CRITICAL, Reason.DEFINITIONS_REFUSED, text)
