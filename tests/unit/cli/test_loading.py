"""What a command does not need it does not load: each is a process of its own, and cron starts one every minute."""

import pathlib
import subprocess
import sys

import pytest
import yaml

from tests import documents
from tests.unit import factories

RARE = {
    "cosmpy",
    "grpc",
    "google.protobuf",
    "ics.engines.pulumi.engine",
    "ics.engines.pulumi.secure_config",
    "ics.manifests.monitoring",
    "ics.provider.owner.terms",
    "ics.provider.tx.transactions",
    "kubernetes",
    "psutil",
    "pulumi",
}
"""What a pass without a change, made by the embedded engine, has no use for."""


@pytest.fixture
def project(tmp_path: pathlib.Path) -> pathlib.Path:
    """A project whose endpoints and cluster do not answer."""
    (tmp_path / "stacks" / "chains").mkdir(parents=True)
    (tmp_path / "Pulumi.yaml").write_text("name: ics\nruntime: python\n")
    (tmp_path / "seed").write_text("01" * 32)
    (tmp_path / "seed").chmod(0o600)
    nowhere = ["http://127.0.0.1:1"]
    settings = {
        "validator": "alice",
        "operator_address": factories.valoper("alice"),
        "provider": {"chain_id": "provider-1", "rest": nowhere, "rpc": nowhere, "grpc": nowhere},
        "seed": {"file": "seed"},
        "cluster": {"kubeconfig": "kubeconfig"},
    }
    config = {f"ics:{name}": value for name, value in settings.items()}
    (tmp_path / "stacks" / "Pulumi.alice.yaml").write_text(yaml.safe_dump({"config": config}))
    cluster = {"name": "c", "cluster": {"server": nowhere[0]}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    kubeconfig = {
        "current-context": "c",
        "clusters": [cluster],
        "contexts": [context],
        "users": [{"name": "u", "user": {}}],
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    return tmp_path


@pytest.mark.parametrize("words", [["up", "--unattended"], ["plan"], ["status"]])
@pytest.mark.parametrize("engine", ["apply", "auto"])
def test_a_command_loads_nothing_that_most_passes_never_use(
    words: list[str], engine: str, project: pathlib.Path
) -> None:
    words = [*words, "--stack", "alice", "--project", str(project), "--set", f"engine={engine}"]
    script = (
        f"import sys\nfrom ics.cli import __main__ as commands\ncode = commands.main({words!r})\n"
        "print('\\nloaded:', *sys.modules)\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=documents.ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "http://127.0.0.1:1 is unreachable" in done.stderr
    loaded = set(done.stdout.rpartition("loaded:")[2].split())
    assert "ics.reconciler.observe" in loaded
    assert loaded & RARE == set()
