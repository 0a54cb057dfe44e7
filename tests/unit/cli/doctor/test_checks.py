"""Findings of `ics doctor` for given answers."""

import dataclasses
import datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from ics import errors, names
from ics.cli.doctor import chain_checks, cluster_checks, findings, kube_probes, provider_probes, run
from ics.cli.doctor.findings import Level
from ics.cluster import gateway
from ics.cluster.api import client, kubeconfig
from ics.conditions import Condition, Reason, Severity
from ics.config import settings
from ics.cosmos import addresses, gas_prices
from tests.unit import factories

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
SEED = factories.seed("alice")
SETTINGS = factories.settings()


def levels(findings: list[findings.Finding]) -> list[str]:
    return [one.level.name for one in findings]


# -- findings ------------------------------------------------------------------------------------------


def test_exit_code_follows_worst_finding() -> None:
    passing = findings.of_error("x", errors.Transient("down"))
    assert findings.exit_code([findings.ok("x", ""), findings.warn("x", "")]) == 0
    assert findings.exit_code(passing) == 1
    assert findings.exit_code([*passing, findings.fail("x", "")]) == 2


def test_errors_become_findings() -> None:
    two = errors.SettingsError("ics:seed: gone", "ics:account: gone")
    assert findings.of_error("ics:seed", two) == [
        findings.fail("ics:seed", "gone"),
        findings.fail("ics:seed", "ics:account: gone"),
    ]
    assert findings.of_error("x", errors.Permanent("no")) == [findings.fail("x", "no")]
    assert findings.of_error("x", KeyError("y")) == [
        findings.fail("x", "unexpected error in this check (KeyError: 'y'); please report it")
    ]


def test_findings_have_fixed_order() -> None:
    several = [findings.ok(check, "") for check in ("ics:engine", "clock", "something new", "version")]
    assert [one.check for one in findings.in_order(several)] == [
        "version",
        "clock",
        "ics:engine",
        "something new",
    ]


# -- settings ------------------------------------------------------------------------------------------


def test_invalid_settings_are_reported_and_valid_ones_used() -> None:
    values = {
        "validator": "alice",
        "operator_address": factories.valoper("alice"),
        "provider": {
            "chain_id": "p-1",
            "rest": ["http://a"],
            "rpc": ["http://a"],
            "grpc": ["http://a"],
            "gas_price": "cheap",
        },
        "seed": {"file": "a", "env": "b"},
        "node": {"storage": "lots", "storage_class": "fast"},
        "colour": "red",
    }
    settings, problems, wrong = run.parse_leniently(values, "f.yaml")
    assert settings is not None
    assert (settings.provider.gas_price, settings.node.storage) == ("0.001stake", "10Gi")
    assert settings.node.storage_class == "fast"
    assert sorted(wrong) == ["colour", "node.storage", "provider.gas_price", "seed"]
    assert len(problems) == 4

    values["operator_address"] = "x"
    settings, problems, wrong = run.parse_leniently(values, "f.yaml")
    assert settings is None
    assert len(problems) == 5


# -- chain ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "level", "text"),
    [
        (0, Level.OK, "newest block is 0 s old"),
        (-4, Level.OK, "newest block is 0 s old"),
        (60, Level.OK, "newest block is 60 s old"),
        (61, Level.WARN, "clock is ahead; compare it with NTP"),
        (-6, Level.FAIL, "clock is 6 s behind the provider's newest block; synchronise it with NTP"),
    ],
)
def test_clock_finding_depends_on_age_of_block(age: float, level: Level, text: str) -> None:
    found = chain_checks.clock(NOW - datetime.timedelta(seconds=age), NOW, 60)
    assert (found.level, text in found.text) == (level, True)


FREE = gas_prices.GasPrice()
"""The chain asks no price, so the least one of the settings is paid."""
OPERATOR = addresses.reprefix(factories.valoper("alice"), "cosmos")


@pytest.mark.parametrize(("held", "level"), [(6000, "OK"), (5999, "WARN"), (300, "WARN"), (299, "FAIL")])
def test_funds_finding_depends_on_balance(held: int, level: str) -> None:
    """A fee is 300,000 units of gas at 0.001stake."""
    assert levels(chain_checks.funds(OPERATOR, SETTINGS, chain_checks.AccountBalance(held, True), FREE)) == [
        level
    ]


def test_funds_finding_follows_gas_price_of_chain() -> None:
    """The account pays 20 transactions at the least price of the settings, and only two at the price of the chain."""
    asked = gas_prices.GasPrice(Decimal("0.01"), is_market=True)
    [found] = chain_checks.funds(OPERATOR, SETTINGS, chain_checks.AccountBalance(6000, True), asked)
    assert (found.level, found.text) == (
        Level.WARN,
        f"{OPERATOR} holds 6000stake, enough for 2 transactions; send it funds",
    )


@pytest.mark.parametrize(
    ("amount", "is_market", "level", "text"),
    [
        ("0", False, "OK", "provider-1 asks 0stake for a unit of gas (the endpoint's own minimum)"),
        (
            "0.005",
            True,
            "OK",
            "provider-1 asks 0.005stake for a unit of gas (its fee market), between 0.001stake and 0.02stake",
        ),
        (
            "1",
            True,
            "FAIL",
            "provider-1 asks 1stake for a unit of gas (its fee market), more than the ceiling of 0.02stake, so every"
            " transaction is withheld; raise ics:provider.max_gas_price",
        ),
        (
            "0.00009",
            True,
            "WARN",
            "provider-1 asks 0.00009stake for a unit of gas (its fee market); ics:provider.gas_price of 0.001stake"
            " overpays, lower it",
        ),
    ],
)
def test_gas_price_of_chain_is_compared_with_settings(
    amount: str, is_market: bool, level: str, text: str
) -> None:
    found = chain_checks.gas_price(gas_prices.GasPrice(Decimal(amount), is_market), SETTINGS.provider)
    assert (found.level.name, found.text) == (level, text)


def test_account_unknown_to_the_chain_is_named() -> None:
    [found] = chain_checks.funds(OPERATOR, SETTINGS, chain_checks.AccountBalance(0, False), FREE)
    assert (
        found.text
        == f"{OPERATOR} (unknown to the chain) holds 0stake, less than one fee of 300stake; send it funds"
    )


def test_definition_problem_is_a_failure() -> None:
    good = factories.example()
    bad = dataclasses.replace(good, genesis=None, problem="the genesis file has sha256 x")
    path = f"stacks/chains/{good.definition.name}.yaml"
    assert chain_checks.definitions([bad], None) == [findings.fail(path, "the genesis file has sha256 x")]
    assert chain_checks.definitions([good], None) == [findings.ok(path, "genesis file available")]
    [found] = chain_checks.definitions([good], factories.snapshot(factories.consumer()))
    summary = factories.consumer().summary
    assert found.text == f"genesis file available; matches {summary.chain_id} (0)"
    assert chain_checks.definitions([good], factories.snapshot())[0].text.endswith("; matches no chain")
    assert levels(chain_checks.definitions([], None)) == ["WARN"]


def test_definition_is_listed_with_chains_of_other_owners() -> None:
    path = "stacks/chains/ics-example.yaml"
    stranger = factories.detail(owner=factories.relayer("bob"))
    snapshot = factories.snapshot(factories.consumer(), factories.consumer(found=stranger, consumer_id="1"))
    anybody = {"chain_id": "consumer*-1", "owner": "any", "accept_any_owner": True}
    assert chain_checks.definitions([factories.example(), factories.example(match=anybody)], snapshot) == [
        findings.ok(
            path, "genesis file available; matches consumer1-1 (0); not match.owner: consumer1-1 (1)"
        ),
        findings.ok(
            path,
            "genesis file available; any owner is accepted, also a stranger; matches consumer1-1 (0), consumer1-1 (1)",
        ),
    ]


def test_conditions_become_findings_by_severity() -> None:
    several = {
        "c-1": [
            Condition(Severity.INFO, Reason.STAGED, "waits"),
            Condition(Severity.WARNING, Reason.NOT_SIGNING, "text"),
        ],
        "": [Condition(Severity.CRITICAL, Reason.KEY_MISMATCH, "text")],
    }
    assert chain_checks.conditions(several) == [
        findings.warn("chain c-1", "NotSigning: text"),
        findings.fail("validator", "KeyMismatch: text"),
    ]
    assert levels(chain_checks.conditions({"c-1": [several["c-1"][0]]})) == ["OK"]


# -- cluster -------------------------------------------------------------------------------------------


def test_missing_rights_are_failures() -> None:
    answers = {
        cluster_checks.AccessRight("apps", "statefulsets", "patch", ""): False,
        cluster_checks.AccessRight("apps", "statefulsets", "create", ""): False,
        cluster_checks.AccessRight("", "pods/proxy", "get", ""): True,
        cluster_checks.AccessRight("coordination.k8s.io", "leases", "get", "gw"): False,
    }
    assert cluster_checks.rights(answers) == [
        findings.fail(
            "rights",
            "missing: create, patch statefulsets.apps in the whole cluster; grant it with a ClusterRoleBinding",
        ),
        findings.fail(
            "rights", "missing: get leases.coordination.k8s.io in namespace gw; grant it with a RoleBinding"
        ),
    ]
    assert cluster_checks.rights(dict.fromkeys(answers, True)) == [
        findings.ok("rights", "all 4 rights that passes use are granted")
    ]


def storage_class(name: str, is_default: str = "") -> dict[str, object]:
    annotations = {"storageclass.kubernetes.io/is-default-class": is_default} if is_default else None
    return {"metadata": {"name": name, "annotations": annotations}}


@pytest.mark.parametrize(
    ("classes", "wanted", "level", "text"),
    [
        ([storage_class("a", "true")], "", Level.OK, "the cluster's default, a"),
        ([storage_class("a", "false")], "", Level.FAIL, "no default StorageClass, only a; set one"),
        ([], "", Level.FAIL, "only none; set one"),
        ([storage_class("a")], "a", Level.OK, "a"),
        ([storage_class("a", "true")], "b", Level.FAIL, "no StorageClass 'b', only a"),
    ],
)
def test_storage_finding_depends_on_storage_classes(
    classes: list[dict[str, object]], wanted: str, level: Level, text: str
) -> None:
    found = cluster_checks.storage(classes, wanted)
    assert (found.level, text in found.text) == (level, True)


EXPANDS = storage_class("a", "true") | {"provisioner": "disk.example.org", "allowVolumeExpansion": True}
FIXED = storage_class("b") | {"provisioner": "path.example.org"}
GENESIS = {"url": "https://example.com/g.json", "sha256": "0" * 64}
OWN = {"enabled": True, "image": "pd:1", "genesis": GENESIS, "storage_class": "b"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"node": {"volume": {"max": "20Gi"}}}, [(Level.OK, "a expands volumes, up to 20Gi")]),
        (
            {"node": {"volume": {"max": "20Gi"}, "storage_class": "b"}},
            [(Level.FAIL, "StorageClass b (ics:node.storage_class) does not expand volumes")],
        ),
        (
            {"node": {"volume": {"max": "10Gi"}}},
            [(Level.WARN, "10Gi is not more than ics:node.storage (10Gi)")],
        ),
        (
            {"node": {"volume": {"max": "20Gi"}}, "provider_node": OWN},
            [
                (Level.OK, "a expands volumes"),
                (Level.FAIL, "StorageClass b (ics:provider_node.storage_class) does not expand volumes"),
            ],
        ),
        ({"node": {"volume": {"max": "20Gi"}, "storage_class": "gone"}}, []),
    ],
    ids=str,
)
def test_volumes_that_should_grow_can(changes: dict[str, Any], expected: list[tuple[Level, str]]) -> None:
    found = cluster_checks.growth([FIXED, EXPANDS], factories.settings(**changes))
    assert [(one.check, one.level) for one in found] == [
        ("ics:node.volume.max", level) for level, _ in expected
    ]
    assert all(text in one.text for one, (_, text) in zip(found, expected, strict=True))


SNAPSHOTS = {"metadata": {"name": "fast"}, "driver": "disk.example.org"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"snapshots": {}}, []),
        ({}, [(Level.OK, "fast, of driver disk.example.org")]),
        (
            {"snapshots": {"class": "slow"}},
            [(Level.FAIL, "no VolumeSnapshotClass 'slow', only fast; set one")],
        ),
        (
            {"node": {"storage_class": "b"}},
            [
                (
                    Level.FAIL,
                    "is of driver disk.example.org, but StorageClass b (ics:node.storage_class) is of path",
                )
            ],
        ),
        (
            {"provider_node": OWN},
            [(Level.FAIL, "but StorageClass b (ics:provider_node.storage_class) is of path.example.org")],
        ),
    ],
    ids=str,
)
def test_snapshot_class_is_of_the_volumes_driver(
    changes: dict[str, Any], expected: list[tuple[Level, str]]
) -> None:
    settings = factories.settings(**{"snapshots": {"class": "fast"}, **changes})
    found = cluster_checks.snapshots([SNAPSHOTS], [FIXED, EXPANDS], settings)
    assert [(one.check, one.level) for one in found] == [
        ("ics:snapshots.class", level) for level, _ in expected
    ]
    assert all(text in one.text for one, (_, text) in zip(found, expected, strict=True))


async def test_cluster_without_snapshots_is_a_finding_of_its_own() -> None:
    missing = httpx.Response(
        404, json={"kind": "Status", "message": "the server could not find the resource"}
    )
    access = kubeconfig.Access(server="https://h:6443")
    async with client.KubeClient(access, httpx.MockTransport(lambda _: missing)) as kube:
        with pytest.raises(errors.Permanent, match="the cluster has no VolumeSnapshots; install"):
            await kube_probes.snapshot_classes(kube)


@pytest.mark.parametrize(
    ("provisioner", "is_shared"),
    [
        ("nfs.csi.k8s.io", True),
        ("cluster.local/nfs-subdir-external-provisioner", True),
        ("rook-ceph.cephfs.csi.ceph.com", True),
        ("efs.csi.aws.com", True),
        ("file.csi.azure.com", True),
        ("rook-ceph.rbd.csi.ceph.com", False),
        ("ebs.csi.aws.com", False),
        ("disk.csi.azure.com", False),
        ("rancher.io/local-path", False),
    ],
)
def test_shared_file_system_is_a_warning(provisioner: str, is_shared: bool) -> None:
    classes = [storage_class("a", "true") | {"provisioner": provisioner}, storage_class("b")]
    wanted = {"ics:node.storage_class": "", "ics:provider_node.storage_class": "b", "other": "missing"}
    found = cluster_checks.shared_storage(classes, wanted)
    assert [(one.check, one.level) for one in found] == [("ics:node.storage_class", Level.WARN)] * is_shared
    assert all(one.text.startswith(f"a ({provisioner}) is a shared file system") for one in found)


@pytest.mark.parametrize(
    ("balancer", "host", "level", "text"),
    [
        (None, "", Level.OK, "not created yet"),
        (gateway.Balancer("1.2.3.4", frozenset()), "", Level.OK, "has address 1.2.3.4"),
        (gateway.Balancer(None, frozenset()), "", Level.FAIL, "has no address"),
        (gateway.Balancer(None, frozenset()), "a.example", Level.OK, "ics:gateway.host is a.example"),
    ],
)
def test_gateway_finding_depends_on_load_balancer_and_host(
    balancer: gateway.Balancer | None, host: str, level: Level, text: str
) -> None:
    judged = cluster_checks.gateway(balancer, settings.GatewaySettings(host=host))
    assert (judged.level, text in judged.text) == (level, True)
    assert judged.check == f"LoadBalancer provider/{names.GATEWAY_SERVICE}"


def service(namespace: str, address: str, port: int, kind: str = "LoadBalancer") -> dict[str, object]:
    return {
        "metadata": {"namespace": namespace, "name": "s"},
        "spec": {"type": kind, "ports": [{"port": port}]},
        "status": {"loadBalancer": {"ingress": [{"ip": address}]}},
    }


def test_port_conflicts_on_load_balancer_are_found() -> None:
    own = gateway.Balancer("1.2.3.4", frozenset({27346, 27356}))
    others = [
        service("gw", "1.2.3.4", 27346),
        service("b", "1.2.3.5", 27346),
        service("c", "1.2.3.4", 80),
        service("d", "1.2.3.4", 27346, "ClusterIP"),
    ]
    assert cluster_checks.ports(others, "gw", own) == [findings.ok("ports", "2 in use, no conflicts")]
    [found] = cluster_checks.ports([*others, service("e", "1.2.3.4", 27356)], "gw", own)
    assert (found.level, "Service e/s has 27356 at the same address" in found.text) == (Level.FAIL, True)
    assert cluster_checks.ports(others, "gw", None) == [findings.ok("ports", "none in use yet")]


def test_images_to_check_come_from_settings_and_definitions() -> None:
    definitions = {"c:1": "stacks/chains/c.yaml"}
    genesis = {"url": "https://example.com/genesis.json", "sha256": "ab" * 32}
    whole = factories.settings(
        seed={"secret": {"namespace": "n", "name": "s", "key": "seed"}},
        relayer={"image": "hermes:1"},
        provider_node={"enabled": True, "image": "gaia:1", "fetch_image": "box:1", "genesis": genesis},
        account=None,
        reconciler={"enabled": True, "image": "ics:1"},
    )
    assert provider_probes.images(whole, definitions) == {
        "c:1": "stacks/chains/c.yaml",
        "hermes:1": "ics:relayer.image",
        "gaia:1": "ics:provider_node.image",
        "box:1": "ics:provider_node.fetch_image",
        "ics:1": "ics:reconciler.image",
    }
    assert provider_probes.images(factories.settings(relayer={"enabled": False}), definitions) == definitions


def test_image_findings_depend_on_pulls_by_nodes_and_registry() -> None:
    pod = {
        "metadata": {"namespace": "n", "name": "node-0"},
        "status": {
            "initContainerStatuses": [{"image": "a:1", "state": {"waiting": {"reason": "ImagePullBackOff"}}}],
            "containerStatuses": [
                {"image": "b:1", "state": {"waiting": {"reason": "PodInitializing"}}},
                {"image": "c:1", "state": {"running": {}}},
            ],
        },
    }
    failing = cluster_checks.failing_pulls([pod])
    assert failing == {"a:1": "n/node-0: ImagePullBackOff"}
    pulls = cluster_checks.ImagePulls(
        frozenset({"b:1"}), failing, {"c:1": "", "d:1": "the registry r has no such image"}
    )
    wanted = dict.fromkeys(("a:1", "b:1", "c:1", "d:1"), "ics:relayer.image")
    found = cluster_checks.images(wanted, pulls)
    assert levels(found) == ["FAIL", "OK", "OK", "WARN"]
    assert found[0].may_pass
    assert found[3].text == (
        "on no node, and from this machine the registry r has no such image; check its name in ics:relayer.image"
    )


@pytest.mark.parametrize(
    ("image", "is_warned"),
    [
        ("ghcr.io/cosmos/interchain-security:v7.0.1", True),
        ("gaia", True),
        ("host:5000/gaia", True),
        (f"gaia@sha256:{'a' * 64}", False),
        (f"host:5000/gaia:v1@sha256:{'a' * 64}", False),
        ("gaia@sha256:short", True),
    ],
)
def test_image_by_tag_is_a_warning(image: str, is_warned: bool) -> None:
    found = cluster_checks.tags({image: "ics:relayer.image"})
    assert [(one.check, one.level) for one in found] == [(f"image {image}", Level.WARN)] * is_warned
    assert all("named by a tag in ics:relayer.image" in one.text for one in found)
