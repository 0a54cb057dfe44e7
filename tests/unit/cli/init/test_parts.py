"""Parts of `ics init`: guesses, answers, decoders and the text of a stack file."""

from pathlib import Path
from typing import Any

import pytest

from ics import errors
from ics.cli.init import decode, found, project, questions, stack_text

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize(
    ("rest", "kind", "wanted"),
    [
        ("http://10.231.0.11:1317", "rpc", ("http://10.231.0.11:26657",)),
        ("http://[2001:db8::1]:1317", "grpc", ("http://[2001:db8::1]:9090",)),
        (
            "https://cosmos-rest.example.org",
            "rpc",
            (
                "https://cosmos-rpc.example.org",
                "https://cosmos-rest.example.org:26657",
                "http://cosmos-rest.example.org:26657",
            ),
        ),
        (
            "https://lcd.example.org",
            "grpc",
            ("https://grpc.example.org:443", "https://lcd.example.org:9090", "http://lcd.example.org:9090"),
        ),
        (
            "https://interesting.example.org",
            "rpc",
            ("https://interesting.example.org:26657", "http://interesting.example.org:26657"),
        ),
    ],
)
def test_addresses_are_guessed_on_the_same_host_and_beside_it(
    rest: str, kind: str, wanted: tuple[str, ...]
) -> None:
    assert questions.guesses(rest, kind) == wanted


@pytest.mark.parametrize(
    ("moniker", "name"),
    [
        ("Alice & Co", "alice-co"),
        ("  P2P.ORG - P2P  ", "p2p-org-p2p"),
        ("验证者", None),
        ("x" * 80, "x" * 40),
    ],
)
def test_moniker_becomes_a_name(moniker: str, name: str | None) -> None:
    assert questions.slug(moniker) == name


@pytest.mark.parametrize(
    ("answer", "source"),
    [
        ("keystore:mine", {"keystore": "mine"}),
        ("file:.secrets/seed", {"file": ".secrets/seed"}),
        ("env:SEED", {"env": "SEED"}),
        ("secret:ns/name/key", {"secret": {"namespace": "ns", "name": "name", "key": "key"}}),
    ],
)
def test_answer_names_a_source_and_back(answer: str, source: dict[str, Any]) -> None:
    assert questions.seed(None).accept(answer) == answer
    assert questions.source_of(answer) == source
    assert questions.answer_of(source) == answer


@pytest.mark.parametrize("answer", ["11" * 32, "secret:ns/name", "keystore:../x", "abandon abandon"])
def test_answer_that_may_be_the_secret_itself_is_not_quoted(answer: str) -> None:
    with pytest.raises(errors.SettingsError) as refused:
        questions.seed(None).accept(answer)
    assert answer not in str(refused.value)


def nodes(*providers: str) -> list[dict[str, Any]]:
    return [{"spec": {"providerID": each}} for each in providers]


@pytest.mark.parametrize(
    ("machines", "has_metallb", "cloud"),
    [
        (nodes("aws:///eu-central-1a/i-0"), False, "aws"),
        (nodes("gce://project/zone/a"), True, "gcp"),
        (nodes("azure:///subscriptions/0"), False, "azure"),
        (nodes("k3s://server"), False, "none"),
        (nodes(), True, "metallb"),
        (nodes("aws:///a", "gce://b"), False, "none"),
        ([{"spec": {}}], False, "none"),
    ],
)
def test_cloud_is_read_off_the_machines(
    machines: list[dict[str, Any]], has_metallb: bool, cloud: str
) -> None:
    assert decode.cloud(machines, has_metallb=has_metallb) == cloud


def test_default_classes_come_first() -> None:
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    classes = decode.storage_classes(
        [
            {"metadata": {"name": "slow"}},
            {"metadata": {"name": "fast", "annotations": default}, "allowVolumeExpansion": True},
            {"metadata": {"name": "Not A Name"}},
        ]
    )
    assert classes == (
        found.StorageClass(name="fast", is_default=True, expands=True),
        found.StorageClass(name="slow"),
    )
    assert found.Cluster(storage_classes=classes).default_class == "fast"
    snapshots = {"snapshot.storage.kubernetes.io/is-default-class": "true"}
    items: list[dict[str, Any]] = [
        {"metadata": {"name": "a"}},
        {"metadata": {"name": "b", "annotations": snapshots}},
    ]
    assert decode.snapshot_classes(items) == ("b", "a")


def test_rule_selector_of_the_first_prometheus_is_read() -> None:
    items: list[dict[str, Any]] = [
        {"metadata": {"namespace": "z", "name": "k8s"}},
        {
            "metadata": {"namespace": "monitoring", "name": "k8s"},
            "spec": {"ruleSelector": {"matchLabels": {"release": "kube", "bad": "x\ny"}}},
        },
    ]
    assert decode.prometheus(items) == (("monitoring/k8s", "z/k8s"), (("release", "kube"),))


def test_contexts_of_several_files_are_listed_once() -> None:
    documents = [
        {"contexts": [{"name": "a"}, {"name": "b"}], "current-context": "b"},
        None,
        {"contexts": [{"name": "b"}, {"name": "c"}, {}], "current-context": "c"},
    ]
    assert decode.contexts(documents) == (("a", "b", "c"), "b")
    assert decode.contexts([{"current-context": "gone"}]) == ((), "")


def test_stack_file_has_a_fixed_order_and_comments() -> None:
    text = stack_text.render(
        {"zebra": 1, "seed": {"file": "x"}, "validator": "alice"},
        {"encryptionsalt": "v1:a"},
        {"seed": ("one\nline",)},
        ("head",),
    )
    assert text == (
        "# head\n"
        "encryptionsalt: v1:a\n"
        "config:\n"
        "  ics:validator: alice\n"
        "  # one line\n"
        "  ics:seed: {file: x}\n"
        "  ics:zebra: 1\n"
    )


def test_merge_keeps_what_was_not_asked() -> None:
    earlier = {"node": {"storage_class": "old", "storage": "1Gi"}, "granter": "x", "relayer": {"delay": "1s"}}
    answered = {"node": {"storage_class": "new"}}
    owned = {"node": ("storage_class",), "granter": ()}
    assert stack_text.merge(earlier, answered, owned) == {
        "node": {"storage_class": "new", "storage": "1Gi"},
        "relayer": {"delay": "1s"},
    }
    assert stack_text.merge(earlier, {}, owned)["node"] == {"storage": "1Gi"}


def test_template_is_the_checkouts_own_project() -> None:
    """What the wheel puts into a project folder is what the checkout's own tests run."""
    files = project.files()
    for name in ("Pulumi.yaml", "__main__.py", "policies/PulumiPolicy.yaml", "policies/__main__.py"):
        assert files[name] == (ROOT / name).read_text(), name


def test_files_that_are_there_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: mine\n")
    assert "Pulumi.yaml" not in project.missing(tmp_path)
    project.write(tmp_path, project.missing(tmp_path))
    assert (tmp_path / "Pulumi.yaml").read_text() == "name: mine\n"
    assert project.missing(tmp_path) == {}


def test_link_to_an_environment_that_is_gone_is_renewed(tmp_path: Path) -> None:
    (tmp_path / ".venv").symlink_to(tmp_path / "gone")
    project.write(tmp_path, {})
    assert (tmp_path / ".venv" / "bin").is_dir()
