"""`ics init` from its first question to its files, with a provider and a cluster in memory."""

import asyncio
import datetime
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from ics import errors, model
from ics.cli.init import dialog, found, keys, provider_probes, questions, run
from ics.cli.init import session as init_session
from ics.config import settings, stack_file
from ics.keys import key_file, keystore
from tests.unit.cli.init import provider

MONIKER = "Alice & Co"
CLUSTER = found.Cluster(
    cloud="aws",
    storage_classes=(
        found.StorageClass(name="fast", expands=True),
        found.StorageClass(name="slow", is_default=True),
    ),
    snapshot_classes=("csi-snapshots",),
    prometheus=("monitoring/k8s",),
    rule_labels=(("release", "kube-prometheus"),),
    has_monitors=True,
)
KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: home, cluster: {server: "https://192.0.2.1:6443"}}]
users: [{name: me, user: {token: t}}]
contexts: [{name: frankfurt, context: {cluster: home, user: me}}, {name: lab, context: {cluster: home, user: me}}]
current-context: lab
"""


class Probe(provider_probes.ProviderProbe):
    """gRPC is not HTTP that a fake transport could answer, so its tries are answered here."""

    async def grpc(self, urls: Sequence[str], chain_id: str) -> list[found.Address]:
        return [
            found.Address(url=url, problem="" if url == "http://grpc.example.org" else "no answer")
            for url in urls
        ]


class Scene:
    """An empty folder, a home, and a person with answers."""

    def __init__(self, folder: Path) -> None:
        self.provider = provider.Provider()
        self.root = folder / "project"
        self.root.mkdir()
        self.elsewhere = folder / "usb"
        self.elsewhere.mkdir()
        self.home = folder / "home"
        (self.home / ".kube").mkdir(parents=True)
        (self.home / ".kube" / "config").write_text(KUBECONFIG)
        self.passphrase = folder / "passphrase"
        self.passphrase.write_text("correct horse battery\n")
        self.passphrase.chmod(0o600)
        self.environment = {"HOME": str(self.home)}
        self.keys = keystore.folder(self.environment)
        self.said: list[str] = []
        self.asked: list[str] = []

    def run(self, given: Mapping[str, str], typed: Sequence[str] | None = None, **request: Any) -> run.Result:
        """Run with answers by flags; without `typed` as with --yes."""
        lines = iter([f"{line}\n" for line in typed or ()])
        talk = dialog.Dialog(
            given,
            accepts_defaults=typed is None,
            is_attended=typed is not None,
            read=lambda: next(lines, ""),
            say=lambda *texts: self.said.extend(texts),
            prompt=self.asked.append,
        )
        made = init_session.Request(
            root=self.root,
            environment=self.environment,
            given=given,
            passphrase_file=request.pop("passphrase_file", self.passphrase),
            **request,
        )

        async def probe_cluster(chosen: settings.ClusterSettings) -> found.Cluster:
            assert chosen.context in ("frankfurt", "lab")
            return CLUSTER

        return asyncio.run(
            run.run(
                init_session.Session(request=made, talk=talk),
                lambda rest: Probe(
                    rest, lambda: datetime.datetime.now(datetime.UTC), self.provider.transport
                ),
                probe_cluster,
            )
        )

    def flags(self, **more: str) -> dict[str, str]:
        """What --yes cannot find by itself."""
        copy = str(self.elsewhere / "seed.backup")
        return {"rest": provider.REST, "validator": MONIKER, "seed_copy": copy, **more}

    def stack(self, name: str = "alice-co") -> Path:
        return self.root / "stacks" / f"Pulumi.{name}.yaml"

    def values(self, name: str = "alice-co") -> dict[str, Any]:
        values, _ = stack_file.load_values(self.root, name, {})
        return values


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    mask = os.umask(0o022)
    yield Scene(tmp_path)
    os.umask(mask)


def test_yes_takes_what_was_found(scene: Scene) -> None:
    result = scene.run(scene.flags())
    assert (result.stack, result.is_changed) == ("alice-co", True)
    address = keystore_address(scene)
    passphrase = {"file": str(scene.passphrase)}
    assert scene.values() == {
        "validator": "alice-co",
        "operator_address": provider.VALOPER,
        "engine": "auto",
        "provider": {
            "chain_id": "provider-1",
            "rest": [provider.REST],
            "rpc": [provider.RPC],
            "grpc": ["http://grpc.example.org"],
            "gas_price": "0.005uatom",
        },
        "account": {"keystore": "alice-co-grantee", "passphrase": passphrase},
        "granter": provider.ACCOUNT,
        "seed": {"keystore": "alice-co-seed", "passphrase": passphrase},
        "cluster": {"context": "lab"},
        "gateway": {"namespace": "provider", "cloud": "aws"},
        "snapshots": {"class": "csi-snapshots"},
        "participation": {"policy": "top66"},
    }
    assert settings.parse(scene.values(), "stack").validator == "alice-co"
    grants = [line for line in result.notes if "tx authz grant" in line]
    assert len(grants) == 7
    assert all(f"grant {address} " in line and f"--from {provider.ACCOUNT}" in line for line in grants)


def keystore_address(scene: Scene) -> str:
    return keys.address_of(scene.keys, "alice-co-grantee", "cosmos")


def test_stack_file_is_private_and_holds_no_secret(scene: Scene) -> None:
    scene.run(scene.flags())
    assert stat.S_IMODE(scene.stack().stat().st_mode) == 0o600
    opening = keystore_secret(scene)
    text = scene.stack().read_text()
    assert opening not in text
    assert "correct horse" not in text
    assert text.startswith("# Settings of alice-co on provider-1")


def keystore_secret(scene: Scene) -> str:
    sealed = keystore.read(scene.keys, "alice-co-seed")
    passphrase = model.Secret("correct horse battery")
    return key_file.decrypt_seed(sealed, passphrase, "seed").reveal().hex()


def test_sealed_copy_of_a_new_seed_holds_that_seed(scene: Scene) -> None:
    scene.run(scene.flags())
    copy = scene.elsewhere / "seed.backup"
    sealed = key_file.parse(copy.read_text(), "copy")
    passphrase = model.Secret("correct horse battery")
    assert key_file.decrypt_seed(sealed, passphrase, "copy").reveal().hex() == keystore_secret(scene)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "place", ["project/seed.backup", "home/.ics/keys/seed.backup", "usb/gone/seed.backup"]
)
def test_copy_that_would_be_lost_with_the_seed_is_refused_before_any_key_exists(
    scene: Scene, tmp_path: Path, place: str
) -> None:
    scene.keys.mkdir(parents=True)
    with pytest.raises(errors.SettingsError, match=r"^--seed-copy: "):
        scene.run(scene.flags(seed_copy=str(tmp_path / place)))
    assert keystore.names(scene.keys) == []
    assert not scene.stack().exists()


def test_a_new_seed_needs_a_place_for_its_copy(scene: Scene) -> None:
    flags = scene.flags()
    del flags["seed_copy"]
    with pytest.raises(errors.SettingsError, match=r"^--seed-copy FILE: missing"):
        scene.run(flags)
    assert keystore.names(scene.keys) == []


def test_kubeconfig_without_a_context_is_refused_before_any_key_exists(scene: Scene) -> None:
    (scene.root.parent / "empty").write_text("hello: world\n")
    with pytest.raises(errors.SettingsError, match=r"^--kubeconfig: \S+/empty has no context; give the file"):
        scene.run(scene.flags(), kubeconfig=str(scene.root.parent / "empty"))
    assert keystore.names(scene.keys) == []


def test_without_a_kubeconfig_the_operator_learns_how_to_name_one(scene: Scene) -> None:
    (scene.home / ".kube" / "config").unlink()
    scene.run(scene.flags())
    assert "contexts: none; --kubeconfig FILE names a file that has some" in scene.said


def test_project_folder_holds_what_pulumi_needs(scene: Scene) -> None:
    scene.run(scene.flags())
    program = (scene.root / "__main__.py").read_text()
    assert len([line for line in program.splitlines() if line]) == 3
    assert yaml.safe_load((scene.root / "Pulumi.yaml").read_text())["stackConfigDir"] == "stacks"
    assert (scene.root / "stacks" / "chains").is_dir()
    assert (scene.root / ".venv" / "bin" / "python").exists()
    assert ".venv" in (scene.root / ".gitignore").read_text().split()


def test_second_run_shows_the_difference_and_asks(scene: Scene) -> None:
    scene.run(scene.flags())
    before = scene.stack().read_text()
    answers = [""] * 14
    answers[10] = "all"  # the policy
    with pytest.raises(errors.SettingsError, match="left as it is"):
        scene.run({}, [*answers, "no"])
    assert "-  ics:participation: {policy: top66}" in scene.said
    assert "+  ics:participation: {policy: all}" in scene.said
    assert scene.asked[-1].startswith("Replace stacks/Pulumi.alice-co.yaml as shown")
    assert scene.stack().read_text() == before
    scene.run({}, [*answers, "yes"])
    assert scene.values()["participation"] == {"policy": "all"}


def test_second_run_that_changes_nothing_asks_for_no_permission(scene: Scene) -> None:
    scene.run(scene.flags())
    before = scene.stack().read_text()
    result = scene.run({})
    assert not result.is_changed
    assert scene.stack().read_text() == before


def test_settings_that_were_added_by_hand_stay(scene: Scene) -> None:
    scene.run(scene.flags())
    text = scene.stack().read_text().replace("    gas_price:", "    max_lag: 90s\n    gas_price:")
    scene.stack().write_text(f"encryptionsalt: v1:abc\n{text}  ics:relayer: {{delay: 5s}}\n")
    scene.run({"policy": "none"})
    again = scene.values()
    assert again["relayer"] == {"delay": "5s"}
    assert again["provider"]["max_lag"] == "90s"
    assert again["participation"] == {"policy": "none"}
    assert yaml.safe_load(scene.stack().read_text())["encryptionsalt"] == "v1:abc"


def test_typed_answers_are_checked_and_asked_again(scene: Scene) -> None:
    copy = str(scene.elsewhere / "copy")
    typed = [
        "ftp://x",
        provider.REST,
        "",  # rpc
        "http://other.example.org",  # grpc, which does not answer
        "",
        "",  # gas price
        MONIKER,
        "alice",
        "frankfurt",
        "moon",  # no cloud
        "",
        "fast",
        "none",  # no snapshots
        "listed",
        "consumer-1, 7",
        "cron",
        "new",
        "none",  # no account
        copy,
    ]
    result = scene.run({}, typed)
    values = scene.values("alice")
    assert values["cluster"] == {"context": "frankfurt"}
    assert values["node"] == {"storage_class": "fast"}
    assert values["participation"] == {"policy": "listed", "allow": ["consumer-1", "7"]}
    assert "account" not in values
    assert "snapshots" not in values
    assert any(line.startswith("line for cron: * * * * * cd ") for line in result.notes)
    assert any("--rest: 'ftp://x' is not a valid URL" in line for line in scene.said)
    assert "no answer" in scene.said
    assert any(line.startswith("--cloud: 'moon' is not one of") for line in scene.said)


def test_reconciler_in_the_cluster_reads_secrets_from_there(scene: Scene) -> None:
    result = scene.run(scene.flags(run="cluster", image="registry.example.org/ics@sha256:" + "0" * 64))
    assert scene.values()["reconciler"] == {
        "enabled": True,
        "mode": "deployment",
        "image": "registry.example.org/ics@sha256:" + "0" * 64,
        "seed": {"namespace": "provider", "name": "ics-secrets", "key": "seed"},
        "account": {"namespace": "provider", "name": "ics-secrets", "key": "account"},
    }
    assert any("create the Secret provider/ics-secrets" in line for line in result.notes)


def test_words_of_another_account_are_refused(scene: Scene, tmp_path: Path) -> None:
    words = tmp_path / "words"
    words.write_text("11" * 32)
    words.chmod(0o600)
    with pytest.raises(errors.SettingsError, match="but the operator's account is"):
        scene.run(scene.flags(account="words"), words_file=words)
    assert keystore.names(scene.keys) == []


def test_two_validators_of_one_name_are_never_chosen_between(scene: Scene) -> None:
    with pytest.raises(errors.SettingsError, match="2 validators are called 'BOB'"):
        scene.run(scene.flags(validator="BOB"))


@pytest.mark.parametrize("wanted", [provider.VALOPER, provider.ACCOUNT, "alice & co"])
def test_validator_is_found_by_address_account_and_name(scene: Scene, wanted: str) -> None:
    scene.run(scene.flags(validator=wanted))
    assert scene.values()["operator_address"] == provider.VALOPER


def test_chain_that_is_no_provider_is_refused(scene: Scene) -> None:
    scene.provider.is_provider = False
    with pytest.raises(errors.SettingsError, match="provider-1 has no consumer chains"):
        scene.run(scene.flags())


def test_address_of_another_chain_is_refused(scene: Scene) -> None:
    scene.provider.rpc_chain_id = "other-1"
    with pytest.raises(errors.SettingsError, match="--rpc: belongs to another chain"):
        scene.run(scene.flags(rpc=provider.RPC))


@pytest.mark.parametrize("name", ["../../etc", "a b", "x" * 60, "evil\nics:seed: {file: /etc/passwd}"])
def test_chain_id_of_a_stranger_is_checked_before_it_is_written(scene: Scene, name: str) -> None:
    scene.provider.chain_id = name
    with pytest.raises(errors.SettingsError, match="chain id"):
        scene.run(scene.flags())
    assert not (scene.root / "stacks").exists()


def test_moniker_of_a_stranger_stays_a_comment_of_one_line(scene: Scene) -> None:
    moniker = "x\n  ics:granter: cosmos1evil\x1b[31m\u202e"
    scene.provider.validators[0]["description"]["moniker"] = moniker
    scene.run(scene.flags(validator=provider.VALOPER, name="alice"))
    assert scene.values("alice")["granter"] == provider.ACCOUNT
    text = scene.stack("alice").read_text()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert [line for line in text.splitlines() if "evil" in line] == [
        "  # x ics:granter: cosmos1evil\\x1b[31m\\u202e on provider-1"
    ]


def test_url_with_a_password_is_not_written(scene: Scene) -> None:
    with pytest.raises(errors.SettingsError, match="may be a secret") as refused:
        scene.run(scene.flags(rest="https://me:hunter2@rest.example.org"))
    assert "hunter2" not in str(refused.value)


def test_nobody_to_ask_and_no_yes_names_the_first_missing_flag(scene: Scene) -> None:
    talk = dialog.Dialog({}, accepts_defaults=False, is_attended=False)
    with pytest.raises(errors.SettingsError, match=r"^--rest URL: missing"):
        talk.ask(questions.rest(None))
