"""A stack's day under the Pulumi engine, told in order, on a real API server with the real CLI."""

import json
import pathlib
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from pulumi import automation

from ics import engines, errors, names
from ics.cluster.api import kinds
from ics.engines.applyset import members
from ics.engines.pulumi import runs, session
from tests.cluster import apiserver
from tests.pulumi import secrecy, stage

pytestmark = pytest.mark.pulumi


@pytest.fixture(scope="module", autouse=True)
def events() -> Iterator[list[str]]:
    """What Pulumi has told of all passes of this module, as JSON."""
    told: list[str] = []
    tell = session.read_events

    def recorded(events: Sequence[automation.EngineEvent]) -> runs.RunResult:
        told.extend(json.dumps(event, default=vars) for event in events)
        return tell(events)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "read_events", recorded)
        yield told


def brief(converged: engines.Converged) -> list[str]:
    return [f"{change.action} {change.ref}" for change in converged.changes]


def home(request: engines.ApplyRequest, consumer: str) -> str:
    """Namespace of a chain."""
    found: str = next(
        m["metadata"]["namespace"]
        for m in request.manifests
        if members.consumer_of(m) == consumer and m["kind"] == "StatefulSet"
    )
    return found


def identity(objects: dict[str, dict[str, Any]]) -> dict[str, tuple[str, int | None]]:
    """What another object, or another revision, would show in."""
    return {
        name: (item["metadata"]["uid"], item["metadata"].get("generation")) for name, item in objects.items()
    }


def test_the_first_pass_makes_everything_and_the_second_starts_no_process(
    place: stage.Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = place.order(place.facts([0, 1]))
    first, _ = place.converge(order)
    assert (len(first.changes), first.errors) == (len(order.manifests), ())
    monkeypatch.setattr(session, "open_session", None)

    second, writes = place.converge(order)

    assert (second, writes) == (engines.Converged(), [])
    assert place.preview(order) == ()


def test_neither_engine_nor_the_cli_finds_anything_to_do_after_another(place: stage.Stage) -> None:
    facts = place.facts([0, 1])
    order = place.order(facts)
    before = identity(place.objects(order))

    assert place.preview(order, "apply") == ()
    assert place.converge(order, "apply")[0].changes == ()
    assert place.preview(order, "pulumi") == ()
    assert place.converge(order, "pulumi")[0].changes == ()
    place.pulumi("preview", "--expect-no-changes", "--refresh", handed=facts)
    place.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes", handed=facts)

    assert place.converge(order, "apply")[0].changes == ()
    assert identity(place.objects(order)) == before
    assert place.converge(order, "pulumi")[0].changes == ()


def test_the_three_ways_make_the_same_objects(
    place: stage.Stage, server: apiserver.Server, tmp_path: pathlib.Path
) -> None:
    facts = place.facts([0, 1])
    others = {}
    for way in ("apply", "by hand"):
        folder = tmp_path / way
        folder.mkdir()
        others[way] = stage.make(folder, server, f"{place.validator}{way[0]}")
    others["apply"].converge(others["apply"].order(others["apply"].facts([0, 1])), "apply")
    others["by hand"].pulumi("stack", "select", "--create")
    others["by hand"].pulumi("up", "--yes", "--skip-preview", handed=others["by hand"].facts([0, 1]))

    found = shown(place, facts)

    assert found
    for way, other in others.items():
        theirs = shown(other, other.facts([0, 1]))
        for key in sorted({*theirs, *found}):
            if theirs.get(key) != found.get(key):
                import difflib
                a, b = (json.dumps(x.get(key), indent=1, sort_keys=True).splitlines() for x in (found, theirs))
                print(way, key, *difflib.unified_diff(a, b, lineterm="", n=4), sep=chr(10))
        assert theirs == found, way


def shown(place: stage.Stage, facts: Any) -> dict[str, Any]:
    """All that anybody wanted of the objects, and who wanted it, without what tells two validators apart."""
    order = place.order(facts)
    given = ("clusterIP", "clusterIPs", "healthCheckNodePort")
    found = {}
    for name, item in place.objects(order).items():
        metadata = {key: item["metadata"].get(key) for key in ("labels", "annotations", "ownerReferences")}
        managers = {
            entry["manager"]: entry["fieldsV1"]
            for entry in item["metadata"]["managedFields"]
            if entry["operation"] == "Apply"
        }
        rest = {key: item[key] for key in ("data", "binaryData", "type") if key in item}
        spec = {key: value for key, value in (item.get("spec") or {}).items() if key not in given}
        for port in spec.get("ports", ()):
            port.pop("nodePort", None)
        text = json.dumps([metadata, managers, rest, spec], sort_keys=True)
        for word, neutral in (
            (members.set_id(place.validator, place.settings.gateway.namespace), "SET"),
            (place.validator, "VALIDATOR"),
        ):
            name, text = name.replace(word, neutral), text.replace(word, neutral)
        # The checksum of a config that names the validator; the config itself is compared.
        found[name] = json.loads(re.sub(r'(/config": )"[0-9a-f]+"', r'\1"CHECKSUM"', text))
    return found


def test_a_launch_touches_only_its_chain_and_what_all_share(place: stage.Stage) -> None:
    before = identity(place.objects(place.order(place.facts([0, 1]))))
    order = place.order(place.facts([0, 1], launching=[2]))

    done, _ = place.converge(order)

    assert done.errors == ()
    touched = {change.consumer_id for change in done.changes}
    assert touched == {"", "2"}
    after = identity(place.objects(order))
    assert {name for name in before if after[name] != before[name]} <= {_gateway(place)}
    assert place.preview(order, "apply") == ()


def _gateway(place: stage.Stage) -> str:
    return f"Service {place.settings.gateway.namespace}/p2p-loadbalancer"


def test_what_somebody_changed_or_deleted_is_put_back(place: stage.Stage) -> None:
    order = place.order(place.facts([0, 1, 2]))
    where = home(order, "0")
    before = place.objects(order)

    def renumber(item: Any) -> None:
        item["spec"]["ports"][0]["port"] = 61000

    place.edit(
        kinds.CONFIG_MAP, where, "peers", lambda item: item["data"].update(persistent_peers="nobody@x:1")
    )
    place.edit(kinds.SERVICE, where, "node", renumber)
    planned = {f"{change.action} {change.ref}" for change in place.preview(order)}

    done, _ = place.converge(order)

    assert done.errors == ()
    assert set(brief(done)) == planned == {f"update ConfigMap {where}/peers", f"update Service {where}/node"}
    assert {change.cause for change in done.changes} == {"drift"}
    paths = {path for change in done.changes for path, _, _ in change.diff}
    assert "data.persistent_peers" in paths
    after = place.objects(order)
    for name in (f"ConfigMap {where}/peers", f"Service {where}/node"):
        for part in ("data", "spec"):
            assert after[name].get(part) == before[name].get(part)
    assert place.converge(order)[0] == engines.Converged()


def test_a_held_chain_is_left_out_and_nothing_of_it_is_removed(place: stage.Stage) -> None:
    everything = place.order(place.facts([0, 1, 2]))
    before = identity(place.objects(everything))
    path = place.root / "stacks" / "chains" / "ics-example.yaml"
    path.write_text(path.read_text().replace("v7.0.1", "v7.0.2"))
    order = place.order(place.facts([0, 1, 2]), paused=["1"])

    done, _ = place.converge(order)

    assert (done.errors, done.confirmations) == ((), ())
    assert sorted(brief(done)) == sorted(f"update StatefulSet {home(order, one)}/node" for one in ("0", "2"))
    after = identity(place.objects(everything))
    where = home(everything, "1")
    assert all(after[name] == uid for name, uid in before.items() if where in name)
    assert any(where.replace("/", "") in one["urn"] for one in place.checkpoint["resources"])

    let_go, _ = place.converge(place.order(place.facts([0, 1, 2])))
    assert brief(let_go) == [f"update StatefulSet {where}/node"]


def test_a_node_is_not_deleted_unasked_and_its_chain_stays_whole(place: stage.Stage) -> None:
    everything = place.order(place.facts([0, 1, 2]))
    before = identity(place.objects(everything))
    fewer = place.order(place.facts([0, 1]))

    done, _ = place.converge(fewer)

    (question,) = done.confirmations
    assert question.ref == engines.Ref("StatefulSet", home(everything, "2"), "node")
    after = identity(place.objects(everything))
    assert {name for name in before if before[name] != after.get(name)} <= {_gateway(place)}

    place.converge(place.order(place.facts([0, 1]), confirmed=[question.name]))

    left = {name.split()[0] for name in place.objects(everything) if home(everything, "2") in name}
    assert left == {"Namespace", "PersistentVolumeClaim", "Secret"}
    assert place.preview(fewer, "apply") == ()


def test_a_confirmed_replacement_makes_the_node_anew_and_nothing_else(
    place: stage.Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = place.facts([0, 1])
    order = place.order(facts)
    before = place.objects(order)
    node = f"StatefulSet {home(order, '1')}/node"
    place.remake(
        kinds.STATEFUL_SET, home(order, "1"), "node", lambda item: item["spec"].update(serviceName="other")
    )
    with monkeypatch.context() as patch:
        patch.setattr(session, "open_session", None)  # while all of it waits, no process is started
        asked, _ = place.converge(order)

    done, _ = place.converge(
        place.order(facts, confirmed=[question.name for question in asked.confirmations])
    )

    assert [str(question.ref) for question in asked.confirmations] == [node]
    assert (brief(done), done.errors, done.confirmations) == ([f"replace {node}"], (), ())
    after = place.objects(order)
    assert after[node]["spec"] == before[node]["spec"]
    changed = {name for name, each in identity(after).items() if each != identity(before)[name]}
    assert changed == {node}
    assert place.converge(order)[0] == engines.Converged()


def test_auto_goes_on_with_the_engine_that_was_the_last(
    place: stage.Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = place.facts([0, 1])
    both = {f"update StatefulSet {home(place.order(facts), one)}/node" for one in ("0", "1")}
    place.set("node", {"resources": {"limits": {"memory": "5Gi"}}})
    with_pulumi, _ = place.converge(place.order(facts), "auto")
    state = json.dumps(place.checkpoint)
    assert place.converge(place.order(facts), "apply")[0].changes == ()
    place.set("node", {"resources": {"limits": {"memory": "6Gi"}}})
    with monkeypatch.context() as patch:
        patch.setattr(session, "open_session", None)
        embedded, _ = place.converge(place.order(facts), "auto")

    assert (set(brief(with_pulumi)), with_pulumi.errors) == (both, ())
    assert '"5Gi"' in state
    assert (set(brief(embedded)), embedded.errors) == (both, ())
    assert json.dumps(place.checkpoint) == state


def test_a_volume_that_cannot_shrink_is_asked_about_and_the_rest_goes_on(place: stage.Stage) -> None:
    place.set("node", {"storage": "5Gi", "resources": {"limits": {"memory": "3Gi"}}})
    order = place.order(place.facts([0, 1]))
    volumes = {name: item for name, item in place.objects(order).items() if "PersistentVolumeClaim" in name}

    done, _ = place.converge(order)

    asked = {str(question.ref) for question in done.confirmations}
    assert asked == set(volumes)
    assert {change.kind for change in done.changes} == {"StatefulSet"}
    after = identity(place.objects(order))
    assert {name: after[name] for name in volumes} == identity(volumes)
    assert place.converge(order)[0].confirmations == done.confirmations
    place.set("node", {"resources": {"limits": {"memory": "3Gi"}}})
    assert place.converge(place.order(place.facts([0, 1])))[0].confirmations == ()


def test_another_backend_passphrase_or_kubeconfig_is_named(place: stage.Stage) -> None:
    order = place.order(place.facts([0, 1, 3]))
    (place.root / "passphrase").write_text("a wrong one")
    done, _ = place.converge(order)
    (place.root / "passphrase").write_text(stage.PASSPHRASE)

    assert any("ics:pulumi.passphrase" in str(error) for error in done.errors)
    assert place.converge(order)[0].errors == ()


def test_nothing_secret_is_in_state_output_events_or_temporary_files(
    place: stage.Stage, events: list[str]
) -> None:
    facts = place.facts([0, 1, 3])
    values = secrecy.values(place.objects(place.order(facts)), place.root / "seed")
    shown = [place.pulumi("preview", "--diff", "--json", handed=facts)]
    shown += [place.pulumi("stack", "output", "--json"), place.pulumi("stack", "export")]
    shown += [place.pulumi("preview", "--diff", "--refresh", handed=facts)]

    assert len(values) > 10
    assert [text[:60] for text in shown if secrecy.finds(values, text.encode())] == []
    assert [text[:60] for text in events if secrecy.finds(values, text.encode())] == []
    assert any(
        "priv_validator_key.json" in text for text in events
    )  # the objects are told of, without their data
    assert secrecy.leaks(values, [place.backend, pathlib.Path(tempfile.gettempdir())]) == []
    # Neither a pass' folder is left, nor a copy of the kubeconfig that the plugin has made.
    folder = pathlib.Path(tempfile.gettempdir())
    assert [
        path.name for path in folder.iterdir() if path.name.startswith(("ics-pulumi-", "kubeconfig"))
    ] == []


def test_destroy_leaves_volumes_keys_and_namespaces(place: stage.Stage) -> None:
    order = place.order(place.facts([0, 1, 3]))
    kept = identity({name: item for name, item in place.objects(order).items() if is_retained(item)})

    done = place.ics("destroy", "--engine", "pulumi")

    assert {change["action"] for change in done["changes"]} == {"delete"}
    assert len(done["changes"]) == len(order.manifests) - len(kept)
    assert identity(place.objects(order)) == kept
    assert {name.split()[0] for name in kept} == {"Namespace", "PersistentVolumeClaim", "Secret"}
    assert place.checkpoint.get("resources", []) == []


def is_retained(item: dict[str, Any]) -> bool:
    return bool(item["metadata"]["labels"].get(names.RETAIN) == "true")


def test_without_a_cli_the_embedded_engine_is_named(
    place: stage.Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert shutil.which("pulumi") is None
    with pytest.raises(errors.SettingsError, match=r"--install-pulumi.*ics:engine: apply"):
        place.converge(place.order(place.facts([0, 1, 3, 4])))
