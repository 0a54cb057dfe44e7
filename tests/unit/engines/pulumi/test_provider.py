"""The provider resource of the stack, and when it is the same."""

import pathlib

import pytest

from ics.config import settings
from ics.engines.pulumi import provider

ROOT, HOME = pathlib.Path("/project"), pathlib.Path("/home/alice")


@pytest.mark.parametrize(
    ("written", "meant", "given"),
    [
        pytest.param("~/.kube/config", "/home/alice/.kube/config", "~/.kube/config", id="home"),
        pytest.param("~/.kube/config", "/root/.kube/config", "/root/.kube/config", id="another $HOME"),
        pytest.param("~bob/config", "/home/bob/config", "/home/bob/config", id="home of another user"),
        pytest.param("/etc/kubeconfig", "/etc/kubeconfig", "/etc/kubeconfig", id="absolute"),
    ],
)
def test_plugin_reads_the_same_kubeconfig_as_the_operator(written: str, meant: str, given: str) -> None:
    assert provider.plugin_path(written, pathlib.Path(meant), pathlib.Path("/home/alice")) == given


def fingerprint(
    stack: str = "alice", backend: str = "file:///var/lib/ics", versions: str = "4.0.0", **cluster: str
) -> str:
    inputs = provider.ProviderInputs.of(settings.ClusterSettings.model_validate(cluster), ROOT, HOME)
    return inputs.fingerprint(stack, backend, versions)


def test_fingerprint_changes_with_state_and_provider_alone() -> None:
    found = [
        fingerprint(),
        fingerprint(versions="4.0.1"),
        fingerprint(kubeconfig="kubeconfig"),
        fingerprint(kubeconfig="kubeconfig", context="other"),
        fingerprint(stack="bob"),
        fingerprint(backend="file:///elsewhere"),
    ]
    assert len(set(found)) == len(found)
    assert fingerprint() == found[0]
