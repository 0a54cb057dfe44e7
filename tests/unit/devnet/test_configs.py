import json
from pathlib import Path

import pytest

from devnet import configs, plan

HOME = Path("/state/bob")
BOB = plan.host("bob")


def rule_for(user: str, *groups: str) -> str:
    """The audit level of a request, as the API server finds it: the first rule that fits."""
    for rule in configs.AUDIT_POLICY["rules"]:
        users, of_groups = rule.get("users"), rule.get("userGroups")  # type: ignore[attr-defined]
        if (users is None or user in users) and (of_groups is None or set(groups) & set(of_groups)):
            return str(rule["level"])  # type: ignore[index]
    raise AssertionError("no rule fits")


@pytest.mark.parametrize(
    ("user", "groups", "level"),
    [
        ("ics:bob", (), "Metadata"),
        ("admin", ("system:masters",), "Metadata"),
        ("system:serviceaccount:demo:reconciler", ("system:serviceaccounts:demo",), "Metadata"),
        ("system:node:bob", ("system:nodes",), "None"),
        ("cloud", ("system:masters",), "None"),
    ],
)
def test_audit_level_depends_on_user_and_groups(user: str, groups: tuple[str, ...], level: str) -> None:
    assert rule_for(user, *groups) == level


def test_pods_use_dns_server_of_host_only() -> None:
    files = configs.files(BOB, HOME)
    kubelet = json.loads(files["etc/kubelet.json"])
    assert (kubelet["clusterDNS"], kubelet["resolvConf"]) == (["10.231.0.12"], "/state/bob/etc/resolv.conf")
    assert "nameserver" not in files["etc/resolv.conf"]
    assert "forward" not in files["etc/Corefile"]


def test_pods_have_addresses_of_their_hosts_range() -> None:
    (plugin,) = json.loads(configs.files(BOB, HOME)["etc/cni/10-pods.conflist"])["plugins"]
    assert plugin["ipam"]["ranges"] == [[{"subnet": "10.232.2.0/24"}]]


def test_paths_are_below_host_folder() -> None:
    kubelet = json.loads(configs.files(BOB, HOME)["etc/kubelet.json"])
    paths = [kubelet[key] for key in ("podLogsDir", "volumePluginDir", "tlsCertFile")]
    assert all(path.startswith("/state/bob/") for path in paths)
    assert kubelet["cgroupRoot"] == "/ics-devnet/bob"
