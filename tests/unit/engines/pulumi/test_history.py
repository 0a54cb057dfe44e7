"""Limit of the history in a backend's folder."""

import pathlib

from ics.engines.pulumi import history, stack

TIMES = [1_790_000_000_000_000_000 + number for number in range(5)]


def files(at: int) -> list[str]:
    return [
        f"alice-{at}.{kind}.json{packed}{attributes}"
        for kind, packed in (("history", ""), ("checkpoint", ".gz"))
        for attributes in ("", ".attrs")
    ]


def test_all_files_of_the_oldest_updates_expire() -> None:
    names = [name for at in TIMES for name in files(at)]
    assert history.expired([*names, "alice.json", "notes-2026.txt"], 2) == sorted(
        name for at in TIMES[:3] for name in files(at)
    )
    assert history.expired(names, 5) == []


def test_history_and_backups_of_this_stack_alone_are_pruned(tmp_path: pathlib.Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: ics\n")
    state = tmp_path / "state" / ".pulumi"
    for name in ("alice", "bob"):
        for at in TIMES:
            for path in (
                state / "history/ics" / name / f"{name}-{at}.history.json",
                state / "backups/ics" / name / f"{name}.{at}.json",
            ):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
    current = state / "stacks" / "ics" / "alice.json"
    current.parent.mkdir(parents=True)
    current.touch()
    pulumi = stack.Stack(tmp_path, "alice", limits=stack.Limits(history=2))

    history.prune(pulumi, stack.locate(stack.Candidates(setting="file://./state")))

    left = sorted(path.name for path in state.rglob("*.json"))
    assert left == sorted(
        [
            "alice.json",
            *(f"alice-{at}.history.json" for at in TIMES[3:]),
            *(f"alice.{at}.json" for at in TIMES[3:]),
            *(f"bob-{at}.history.json" for at in TIMES),
            *(f"bob.{at}.json" for at in TIMES),
        ]
    )
    history.prune(pulumi, stack.locate(stack.Candidates(setting="s3://states")))
    assert current.exists()
