"""Where the state is, and what is left behind: lost, locked, moved, renamed, grown; told in order."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Any

import psutil
import pytest

from ics import engines
from ics.engines.pulumi import processes, supervision
from tests.pulumi import stage

pytestmark = pytest.mark.pulumi


def doctor(place: stage.Stage) -> dict[str, str]:
    """What `ics doctor` says about the engine: the level by message."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PULUMI_")}
    done = subprocess.run(
        [sys.executable, "-m", "ics.cli", "doctor", "--stack", place.validator, "--json"],
        cwd=place.root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(done.stdout)["findings"]
    return {
        one["message"]: one["level"]
        for one in found
        if one["check"].startswith(("ics:engine", "ics:pulumi", "settings"))
    }


def identity(objects: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {name: item["metadata"]["uid"] for name, item in objects.items()}


def test_the_doctor_knows_backend_passphrase_and_what_is_missing(place: stage.Stage) -> None:
    before = doctor(place)
    assert before[f"stack {place.validator} does not exist yet; the first `ics up` creates it"] == "ok"
    order = place.order(place.facts([0]))
    assert place.converge(order)[0].errors == ()

    after = doctor(place)
    assert after[f"stack {place.validator} can be opened"] == "ok"
    assert after[f"the state is in file://{place.backend} (from ics:pulumi.backend)"] == "ok"

    (place.root / "passphrase").write_text("a wrong one")
    assert [text for text, level in doctor(place).items() if level == "fail"] == [
        "ics:pulumi.passphrase: missing, or not the passphrase of the stack; set {file: PATH}, {env: NAME} or"
        " {secret: {namespace, name, key}}"
    ]
    (place.root / "passphrase").write_text(stage.PASSPHRASE)


def test_the_backend_of_the_last_pass_counts_where_nothing_else_names_one(place: stage.Stage) -> None:
    place.set("pulumi", {"passphrase": {"file": "passphrase"}})

    found = doctor(place)
    done, _ = place.converge(place.order(place.facts([0, 1])))

    where = f"the state is in file://{place.backend} (from the record of the last pass in the cluster)"
    assert found[where] == "ok"
    assert (done.errors, len(place.checkpoint["resources"]) > 10) == ((), True)
    place.set("pulumi", {"backend": f"file://{place.backend}", "passphrase": {"file": "passphrase"}})


def test_an_open_prompt_is_named_with_its_process(place: stage.Stage) -> None:
    order = place.order(place.facts([0, 1, 2]))
    with place.prompting(place.facts([0, 1, 2])) as prompt:
        done, _ = place.converge(order)
        found = doctor(place)
        prompt.interrupt()

    [error] = done.errors
    assert isinstance(error, engines.StackLocked)
    for text in (str(error), *(text for text in found if "locked" in text)):
        assert f"(process {prompt.process.pid}, since " in text
        assert "which is running: `pulumi up`; answer its prompt, or end it with Ctrl-C" in text
    assert sum("locked" in text for text in found) == 1
    # The fast path has made the chain meanwhile, and the next pass records it.
    assert len(place.objects(order)) == len(order.manifests)
    assert place.locks == []
    assert place.converge(order)[0].errors == ()


def helpers(place: stage.Stage) -> set[int]:
    """Language hosts, programs and plugins that run for this project."""
    found = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.name().startswith("pulumi-") and process.cwd() == str(place.root.resolve()):
                found.add(process.pid)
    return found


def test_the_processes_of_a_killed_run_are_ended_by_the_next_pass(place: stage.Stage) -> None:
    running = place.started([0, 1, 2, 3])
    deadline = time.monotonic() + 300
    while not (place.locks and helpers(place)):
        assert running.poll() is None, "the pass came to its end before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    cli = json.loads(place.locks[0].read_text())["pid"]
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    os.kill(cli, signal.SIGKILL)
    left = helpers(place)
    assert left
    folders = list(pathlib.Path(tempfile.gettempdir()).glob(f"{supervision.PREFIX}{running.pid}-*"))
    assert folders

    done, _ = place.converge(place.order(place.facts([0, 1, 2, 3])))

    assert done.errors == ()
    assert [pid for pid in left if processes.started_at(pid) is not None] == []
    assert [folder for folder in folders if folder.exists()] == []


def test_a_cli_whose_pass_was_killed_is_interrupted_by_the_next_one(place: stage.Stage) -> None:
    running = place.started([0, 1, 2, 3, 4])
    deadline = time.monotonic() + 300
    while not place.locks:
        assert running.poll() is None, "the pass came to its end before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    cli = json.loads(place.locks[0].read_text())["pid"]
    os.kill(running.pid, signal.SIGKILL)
    running.wait()

    done, _ = place.converge(place.order(place.facts([0, 1, 2, 3, 4])))

    assert (done.errors, processes.started_at(cli)) == ((), None)
    assert (helpers(place), place.locks) == (set(), [])


def test_copies_of_former_kubeconfigs_are_removed(place: stage.Stage) -> None:
    folder = pathlib.Path(tempfile.gettempdir())
    place.pulumi("refresh", "--yes", "--skip-preview")  # it runs no program that would remove its copy
    assert [path.name for path in folder.iterdir() if path.name.startswith("kubeconfig")]
    shutil.copy(place.root / "kubeconfig", place.root / "another")
    content = json.loads((place.root / "another").read_text())
    content["users"][0]["name"] = content["contexts"][0]["context"]["user"] = "another"
    (place.root / "another").write_text(json.dumps(content))
    cluster = place.settings.cluster.model_dump(mode="json", exclude_defaults=True)
    place.set("cluster", {**cluster, "kubeconfig": "another"})

    done, _ = place.converge(place.order(place.facts([0, 1, 2, 3, 4, 5])))

    assert done.errors == ()
    assert [path.name for path in folder.iterdir() if path.name.startswith("kubeconfig")] == []
    place.set("cluster", cluster)


def test_history_and_backups_are_limited(place: stage.Stage) -> None:
    place.set(
        "pulumi",
        {"backend": f"file://{place.backend}", "passphrase": {"file": "passphrase"}, "history": 2},
    )
    inside = place.backend / ".pulumi"
    assert len(list((inside / "history").rglob("*.history.json"))) > 2

    done, _ = place.converge(place.order(place.facts([0, 1, 2, 3, 4, 5, 6])))

    assert done.errors == ()
    assert len(list((inside / "history").rglob("*.history.json"))) == 2
    assert len(list((inside / "history").rglob("*.checkpoint.json"))) == 2
    assert len([path for path in (inside / "backups").rglob("*.json")]) == 2


def test_a_lost_state_is_made_again_from_what_is_there(place: stage.Stage) -> None:
    order = place.order(place.facts(range(7)))
    before = identity(place.objects(order))
    resources = len(place.checkpoint["resources"])
    shutil.rmtree(place.backend / ".pulumi")

    done, writes = place.converge(order)

    assert done.errors == ()
    assert identity(place.objects(order)) == before
    assert len(place.checkpoint["resources"]) == resources
    assert not any("delete" in write for write in writes)
    assert place.converge(order)[0].writes == 0


def test_a_damaged_state_is_named_and_made_again(place: stage.Stage) -> None:
    order = place.order(place.facts(range(7)))
    before = identity(place.objects(order))
    path = place.backend / ".pulumi" / "stacks" / "ics" / f"{place.validator}.json"
    path.write_text(path.read_text()[:1000])  # as on a disk that was full

    failed, _ = place.converge(place.order(place.facts(range(8))))
    said = [text for text, level in doctor(place).items() if level == "fail"]
    place.typed(["rm", str(path)])
    done, _ = place.converge(order)

    [error] = failed.errors
    assert isinstance(error, engines.EngineUnusable)
    assert said == [str(error)]
    assert "the stack's state is damaged" in str(error)
    assert done.errors == ()
    after = identity(place.objects(order))
    assert {name: after[name] for name in before} == before
    assert place.converge(order)[0].writes == 0


def test_a_moved_state_goes_on_in_its_new_backend(place: stage.Stage) -> None:
    new = place.root / "elsewhere"
    new.mkdir()
    resources = len(place.checkpoint["resources"])
    old, moved = f"PULUMI_BACKEND_URL=file://{place.backend}", f"PULUMI_BACKEND_URL=file://{new}"
    passphrase = f"PULUMI_CONFIG_PASSPHRASE_FILE={place.root / 'passphrase'}"
    name = ("--stack", place.validator, "--file", "state.json")
    place.typed(
        ["export", passphrase],
        ["env", old, "pulumi", "stack", "export", *name],
        ["env", moved, "pulumi", "stack", "init", place.validator],
        ["env", moved, "pulumi", "stack", "import", *name],
    )
    place.set("pulumi", {"backend": f"file://{new}", "passphrase": {"file": "passphrase"}})

    warned = [text for text, level in doctor(place).items() if level == "warn"]
    done, _ = place.converge(place.order(place.facts(range(8))))

    assert any(f"the last pass that started Pulumi used file://{place.backend}" in text for text in warned)
    assert done.errors == ()
    state = json.loads((new / ".pulumi" / "stacks" / "ics" / f"{place.validator}.json").read_text())
    assert len(state["checkpoint"]["latest"]["resources"]) > resources
    assert not any("the last pass" in text for text in doctor(place))
    shutil.rmtree(place.backend)
    new.rename(place.backend)
    place.set("pulumi", {"backend": f"file://{place.backend}", "passphrase": {"file": "passphrase"}})


def test_another_passphrase_encrypts_state_and_settings(place: stage.Stage) -> None:
    old = (place.root / "passphrase").read_text()
    new = "pulumi stack change-secrets-provider passphrase --stack alice < new-passphrase"
    place.typed(
        ["export", f"PULUMI_BACKEND_URL=file://{place.backend}"],
        ["export", f"PULUMI_CONFIG_PASSPHRASE_FILE={place.root / 'passphrase'}"],
        ["pulumi", "config", "set", "--secret", "ics:account", "a mnemonic", "--stack", place.validator],
        ["bash", "-c", " ".join(["head", "-c", "18", "/dev/urandom", "|", "base64", ">", "new-passphrase"])],
        ["chmod", "600", "new-passphrase"],
        ["bash", "-c", new.replace("alice", place.validator)],
    )
    refused = [text for text, level in doctor(place).items() if level == "fail"]
    place.typed(["mv", "new-passphrase", "passphrase"])

    assert any(
        "ics:pulumi.passphrase: missing, or not the passphrase of the stack" in text for text in refused
    )
    assert "fail" not in doctor(place).values()
    assert (place.root / "passphrase").read_text() != old
    assert place.pulumi("config", "get", "ics:account").strip() == "a mnemonic"
    place.pulumi("config", "rm", "ics:account")
    facts = place.facts(range(8))
    assert place.converge(place.order(facts))[0].errors == ()
    place.pulumi("preview", "--expect-no-changes", handed=facts)


def test_a_renamed_stack_keeps_its_objects(place: stage.Stage) -> None:
    facts = place.facts(range(8))
    order = place.order(facts)
    before = identity(place.objects(order))
    place.pulumi("stack", "rename", f"{place.validator}-renamed")
    renamed = stage.Stage(place.root, place.server, place.validator, f"{place.validator}-renamed")

    said = renamed.pulumi("preview", "--expect-no-changes", handed=facts)

    assert "unchanged" in said
    assert renamed.converge(order)[0].writes == 0
    assert identity(renamed.objects(order)) == before
    place.typed(["test", "-f", f"stacks/Pulumi.{place.validator}-renamed.yaml"])
