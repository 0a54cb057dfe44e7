"""`ics keys export CONSUMER_ID --stack NAME`: the key of a place, in a file that only its owner can read."""

import asyncio
import json
import pathlib
import stat
import types
from typing import Any, cast

import pytest

from ics import errors, model
from ics.cli import options
from ics.consumer import desired, observed
from ics.keys import derivation
from ics.reconciler import observe, wiring
from tests.unit import factories
from tests.unit.cli import calls

KEY = factories.consumer_key("alice")
ADDRESS = KEY.address.hex().upper()
OTHER = factories.consumer_key("alice", place=7)
JOINED = factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))
GOOD = ("--confirm", "consumer1-1")


@pytest.fixture
def export(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Any:
    """Run the command on a stack of alice with this memory and return its exit code."""

    def run(*words: str, memory: observed.Memory | None = None, out: str = "key.json") -> int:
        async def read(_: object) -> tuple[observed.Observed, desired.Desired]:
            seen = factories.observation(
                factories.snapshot(JOINED), memory=factories.memory() if memory is None else memory
            )
            return seen, factories.judge(seen)

        def on_stack(work: Any) -> Any:
            world = types.SimpleNamespace(seed=factories.seed("alice"))
            stack = cast(wiring.OpenStack, types.SimpleNamespace(world=world))
            return lambda args: asyncio.run(work(args, stack))

        monkeypatch.setattr(observe, "read", read)
        monkeypatch.setattr(options, "on_stack", on_stack)
        line = ["keys", "export", "0", "--stack", "alice", *words]
        if out:
            line += ["--out", str(tmp_path / out)]
        return calls.run(*line)

    return run


def written(tmp_path: pathlib.Path) -> derivation.ConsensusKey:
    path = tmp_path / "key.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return derivation.parse_priv_validator_key(model.Secret(path.read_text()), "key")


def test_assigned_key_is_written_with_a_warning(
    export: Any, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    running = factories.memory(has_workload=True, workload_place=factories.place_id())
    assert export(*GOOD, "--json", memory=running) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "file": str(tmp_path / "key.json"),
        "consumer_id": "0",
        "chain_id": "consumer1-1",
        "place_id": factories.place_id(),
        "key": ADDRESS,
    }
    assert err == (
        f"ics: whoever has this file can sign on consumer1-1 with {ADDRESS}; the node in namespace ns has it. If two"
        " nodes sign with it, the validator is slashed: let it sign elsewhere only when no other node has it, and only"
        " above every height it has signed\n"
    )
    assert written(tmp_path) == KEY
    assert KEY.private.reveal().hex() not in out + err


def test_seed_and_memo_give_the_key_of_any_place_back(export: Any, tmp_path: pathlib.Path) -> None:
    """Also without any record in a cluster."""
    assert export(*GOOD, "--place", factories.place_id(7), memory=factories.memories()) == 0
    assert written(tmp_path) == OTHER


@pytest.mark.parametrize(
    ("words", "changes", "complaint"),
    [
        (("--confirm", "consumer1-2"), {}, "consumer 0 is 'consumer1-1'; nothing was written"),
        ((), {}, "needs --out FILE and --confirm CHAIN_ID"),
        (GOOD, {"out": ""}, "needs --out FILE and --confirm CHAIN_ID"),
        ((*GOOD, "--reveal", "0"), {}, "takes no --reveal"),
        ((*GOOD, "--place", "7"), {}, "--place '7': not a place id"),
        (GOOD, {"memory": factories.memories()}, "is not on record in this cluster; name it with --place"),
        (
            GOOD,
            {"memory": factories.memory(records=(factories.record(address=ADDRESS, at=7),))},
            "is not derived from this seed",
        ),
    ],
)
def test_nothing_is_written_otherwise(
    export: Any, tmp_path: pathlib.Path, words: tuple[str, ...], changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(errors.SettingsError, match=complaint):
        export(*words, **changes)
    assert list(tmp_path.iterdir()) == []


def test_existing_file_is_not_overwritten(export: Any, tmp_path: pathlib.Path) -> None:
    (tmp_path / "key.json").write_text("mine")
    with pytest.raises(errors.SettingsError, match="already exists"):
        export(*GOOD)
    assert (tmp_path / "key.json").read_text() == "mine"


@pytest.mark.parametrize("words", [("--place", "0" * 32), GOOD])
def test_arguments_of_a_chain_need_its_stack(words: tuple[str, ...]) -> None:
    line = ["keys", "export", "alice", *words]
    with pytest.raises(errors.SettingsError, match="add --stack"):
        calls.run(*line)
