"""The provider resource of the stack, and when it is the same."""

import pathlib

import pytest

from ics.config import settings
from ics.engines.pulumi import provider, stack

ROOT, HOME = pathlib.Path("/project"), pathlib.Path("/home/alice")
STACK = stack.Stack(ROOT, "alice", "file:///var/lib/ics")


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


def fingerprint(where: stack.Stack = STACK, library: str = "4.0.0", **cluster: str) -> str:
    inputs = provider.ProviderInputs.of(settings.ClusterSettings.model_validate(cluster), ROOT, HOME)
    return inputs.fingerprint(where, library)


def test_fingerprint_changes_with_state_and_provider_alone() -> None:
    found = [
        fingerprint(),
        fingerprint(library="4.0.1"),
        fingerprint(kubeconfig="kubeconfig"),
        fingerprint(kubeconfig="kubeconfig", context="other"),
        fingerprint(stack.Stack(ROOT, "bob", STACK.backend)),
        fingerprint(stack.Stack(ROOT, "alice", "file:///elsewhere")),
    ]
    assert len(set(found)) == len(found)
    assert fingerprint(stack.Stack(ROOT / "other", "alice", STACK.backend, ("engine=pulumi",))) == found[0]
