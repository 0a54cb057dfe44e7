"""Somebody got something wrong: one clear line says what, and nothing is changed."""

import os
import pathlib
import re
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from dataclasses import dataclass, field

import pytest

from devnet import identities, processes, provider
from ics import names
from ics.cluster.api import kinds
from ics.cosmos import addresses
from tests.network import chains, kube, launch, operators, projects, relaying, waiting

pytestmark = pytest.mark.network

NEVER = 24 * 3600.0
"""A spawn time that does not come in a session."""
NOBODY = addresses.reprefix(identities.owner().address("cosmos"), "cosmosvaloper")
"""An operator address of no validator."""
LONGEST = "the-longest-chain-id-there-is-of-50-characters-7-1"


@dataclass(frozen=True)
class Bad:
    """What is wrong, and what is said about it."""

    name: str
    code: int
    says: str
    """A regular expression for the whole line."""
    flags: tuple[str, ...] = ()
    spoil: Callable[[pathlib.Path], object] = field(default=lambda root: None)
    """Spoils a project of its own."""


def write(path: str, text: str) -> Callable[[pathlib.Path], object]:
    return lambda root: (root / path).write_text(text)


def edit(path: str, old: str, new: str) -> Callable[[pathlib.Path], object]:
    def spoil(root: pathlib.Path) -> None:
        text = (root / path).read_text()
        assert old in text
        (root / path).write_text(text.replace(old, new))

    return spoil


def dead_cluster(root: pathlib.Path) -> None:
    source = root / ".devnet" / "alice" / "kubeconfig"
    (root / "dead").write_text(source.read_text().replace(":6443", ":6444"))


ALICE = "stacks/Pulumi.alice.yaml"
BADS = (
    Bad(
        "another-chain-at-the-endpoint",
        2,
        r"ics:provider\.rest: http://10\.231\.0\.11:1317 belongs to chain 'provider-1', not 'provider-2'; .*",
        ("--set", "provider.chain_id=provider-2"),
    ),
    Bad(
        "endpoint-down",
        1,
        r"http://10\.231\.0\.11:1318: unreachable: .*",
        ("--set", "provider.rest=[http://10.231.0.11:1318]"),
    ),
    Bad("seed-missing", 2, r".*ics:seed.*no-seed.*", ("--set", "seed={file: .devnet/alice/no-seed}")),
    Bad(
        "seed-malformed",
        2,
        r".*ics:seed.*",
        ("--set", "seed={file: seed}"),
        write("seed", "too short\n"),
    ),
    Bad("stack-unknown", 2, r"stack 'nobody': no file .*", ("--stack", "nobody")),
    Bad(
        "stack-malformed",
        2,
        r"stacks/Pulumi\.alice\.yaml line \d+: malformed YAML: .*",
        (),
        write(ALICE, "config: {ics:validator: [\n"),
    ),
    Bad(
        "key-unknown",
        2,
        r"stacks/Pulumi\.alice\.yaml: ics:gatevay: unknown setting; .*",
        (),
        edit(ALICE, "ics:gateway", "ics:gatevay"),
    ),
    Bad("flag-unknown", 2, r"--set colour: unknown setting 'colour'; .*", ("--set", "colour=blue")),
    Bad(
        "no-such-validator",
        2,
        r"ics:operator_address: validator cosmosvaloper1\S+ not found on provider-1 .*",
        ("--set", f"operator_address={NOBODY}"),
    ),
    Bad(
        "no-cluster",
        1,
        r".*10\.231\.0\.11:6444.*",
        ("--set", "cluster.kubeconfig=dead"),
        dead_cluster,
    ),
    Bad(
        "no-rights",
        2,
        r"missing permission: powerless:alice cannot get leases\.coordination\.k8s\.io in namespace provider;"
        r" grant it .*",
        ("--set", "cluster.kubeconfig=.devnet/alice/kubeconfig-powerless"),
    ),
)


@pytest.fixture
def project(tmp_path: pathlib.Path) -> pathlib.Path:
    return projects.project(tmp_path)


def but_for_relayers(writes: Iterable[str]) -> list[str]:
    """Writes apart from those for a relayer: the channel of a chain may be about to be opened meanwhile.

    The first relayer of a cluster also adds its kinds to the list of kinds on the set's own ConfigMap.
    """
    every = list(writes)
    others = [write for write in every if not re.search(r"/(relayer|relaying|hermes)(-\S+)?( |$)", write)]
    if len(others) == len(every):
        return others
    return [write for write in others if not re.match(r"patch configmaps provider/ics-\S+ ", write)]


class Still:
    """Sees to it that nothing changes meanwhile: neither in the cluster nor on the chain."""

    def __init__(self, operator: operators.Operator, user: str = "") -> None:
        self._operator = operator
        self._audits = [operator.audit(), kube.Audit.begin(operator.host, f"powerless:{operator.name}")]
        self._sent = len(operator.transactions())

    def check(self) -> None:
        writes = [write for audit in self._audits for write in audit.writes()]
        assert but_for_relayers(writes) == []
        assert len(self._operator.transactions()) == self._sent


@pytest.mark.parametrize("bad", BADS, ids=lambda bad: bad.name)
def test_one_line_says_what_is_wrong(
    bad: Bad, alice: operators.Operator, consumer: str, project: pathlib.Path
) -> None:
    bad.spoil(project)
    still = Still(alice)

    done = alice.ics("up", *bad.flags, project=project)

    assert (done.code, done.out) == (bad.code, "")
    assert re.fullmatch(bad.says, done.complaint), done.complaint
    still.check()


def test_a_malformed_definition_stops_only_its_own_chains(
    alice: operators.Operator, consumer: str, project: pathlib.Path
) -> None:
    edit("stacks/chains/ics-example.yaml", "seeds: []", "seeds: []\ncolour: blue")(project)
    alice.settled()
    still = Still(alice)

    done = alice.ics("up", project=project)

    assert done.code == 2
    assert re.fullmatch(
        r"stacks/chains/ics-example\.yaml: colour: unknown setting; .*; until then the chains of this definition are"
        r" left as they are",
        done.complaint,
    )
    reasons = [one["reason"] for one in alice.chain(consumer, done.json["status"])["conditions"]]
    assert "DefinitionInvalid" in reasons
    still.check()
    other = chains.create(chains.fresh("sound"), NEVER)
    try:
        projects.define(project, "sound", {"chain_id": chains.chain_id(other)})
        planned = alice.ics("plan", project=project)  # which joins nothing
        assert alice.chain(other, planned.json["status"])["namespace"] is not None
        assert {change["consumer_id"] for change in planned.json["changes"]} >= {other}
    finally:
        chains.move(other, chains.fresh("renamed"), NEVER)


@pytest.fixture
def stopped_provider(bob: operators.Operator) -> Iterator[None]:
    """The provider without bob's node: two thirds of the power are not more than two thirds."""
    number = processes.pid("bob", provider.PROGRAM)
    assert number is not None
    os.kill(number, signal.SIGSTOP)
    yield
    os.kill(number, signal.SIGCONT)
    height = provider.reached(bob.host)
    waiting.until("the provider goes on", lambda: provider.reached(bob.host), lambda now: now > height + 1)


@pytest.mark.story(when="QUIET")
def test_an_endpoint_that_lags_is_not_acted_upon(
    alice: operators.Operator, consumer: str, stopped_provider: None
) -> None:
    def attempt() -> tuple[Still, operators.Run]:
        # Passes before the block is old may have work to do; only the one that is refused must change nothing.
        still = Still(alice)
        return still, alice.reconcile("--once", "--set", "provider.max_lag=4s")

    still, done = waiting.until("the newest block is old", attempt, lambda seen: seen[1].code != 0)

    assert (done.code, done.out) == (1, "")
    assert re.fullmatch(
        r"http://10\.231\.0\.11:1317: newest block \d+ is \d+ s old, more than ics:provider\.max_lag"
        r" \(4 s\): the endpoint lags or the chain has halted",
        done.complaint,
    )
    still.check()


def joins_not(
    operator: operators.Operator, consumer_id: str, reason: str, project: pathlib.Path | None = None
) -> str:
    """A pass that leaves a chain alone; answers the message of the one condition that says why."""
    operator.settled()
    still = Still(operator)

    done = operator.ics("up", project=project)

    assert (done.code, done.err, done.json["transactions"]) == (0, "", [])
    assert but_for_relayers(done.writes) == []
    still.check()
    chain = operator.chain(consumer_id, done.json["status"])
    assert chain["namespace"] is None
    (condition,) = chain["conditions"]
    assert condition["reason"] == reason
    return str(condition["message"])


def test_a_chain_without_a_definition_is_not_joined(alice: operators.Operator, consumer: str) -> None:
    chain_id = chains.fresh("nobodys")
    stranger = chains.create(chain_id, NEVER)

    message = joins_not(alice, stranger, "NoDefinition")

    assert message == f"{chain_id} is not joined: no definition in stacks/chains matches it"


def test_a_chain_of_another_owner_than_the_definitions_is_not_joined(
    alice: operators.Operator, consumer: str, project: pathlib.Path
) -> None:
    chain_id = chains.fresh("owned")
    stranger = chains.create(chain_id, NEVER)
    projects.define(project, "owned", {"chain_id": chain_id, "owner": alice.account})

    message = joins_not(alice, stranger, "NoDefinition", project)

    assert re.fullmatch(
        rf"{chain_id} is not joined: its owner cosmos1\S+ is not match\.owner of definition owned; .*",
        message,
    )


def test_a_second_chain_of_the_id_of_one_that_runs_is_not_joined(
    alice: operators.Operator, consumer: str, project: pathlib.Path
) -> None:
    second = chains.create(launch.CHAIN_ID, NEVER)
    try:
        unnamed = joins_not(alice, second, "TwoOfOneName")
        projects.define(project, "named", {"chain_id": launch.CHAIN_ID, "consumer_id": consumer})
        named = joins_not(alice, second, "NoDefinition", project)
    finally:
        # Nobody has a definition of it then.
        chains.move(second, chains.fresh("renamed"), NEVER)

    assert re.fullmatch(
        rf"{launch.CHAIN_ID} is not joined: definition ics-example matches several chains of this id, consumers"
        rf" {consumer} \(owner cosmos1\S+\) and {second} \(owner cosmos1\S+\); name the right one by"
        r" match\.consumer_id",
        unnamed,
    )
    assert named == (
        f"{launch.CHAIN_ID} is not joined: definition named names consumer {consumer} of this chain id"
    )


def test_a_base_genesis_that_is_not_the_stated_one_is_not_used(
    alice: operators.Operator, consumer: str
) -> None:
    stranger = chains.create(chains.fresh("consumer3"), NEVER, genesis_hash="ab" * 32)

    message = joins_not(alice, stranger, "GenesisHashMismatch")

    assert message == (
        f"definition ics-example: the genesis file has sha256 {chains.base_hash()}, but the chain's genesis_hash is"
        f" {'ab' * 32}, so the chain is not joined; get the file that the launch team published"
    )


def test_a_chain_is_not_joined_without_the_right_to_make_its_namespace(
    alice: operators.Operator, consumer: str, project: pathlib.Path, all_but_namespaces: None
) -> None:
    chain_id = chains.fresh("unplaced")
    stranger = chains.create(chain_id, NEVER)
    projects.define(project, "unplaced", {"chain_id": chain_id})
    alice.settled()
    still = Still(alice)
    kubeconfig = "cluster.kubeconfig=.devnet/alice/kubeconfig-powerless"

    done = alice.ics("up", "--set", kubeconfig, project=project)

    assert done.code == 2
    assert re.fullmatch(
        r"missing permission: powerless:alice cannot (create|patch) namespaces in the whole cluster; grant it .*",
        done.complaint,
    )
    assert (but_for_relayers(done.writes), done.json["transactions"]) == ([], [])
    still.check()
    assert stranger not in alice.joined()


@pytest.fixture
def all_but_namespaces(alice: operators.Operator) -> Iterator[None]:
    """Alice's powerless user may do all that the operator may, but for making namespaces."""
    role = kinds.CLUSTER_ROLE
    rules = alice.kube.get(role, "", "ics-operator")["rules"]
    for rule in rules:
        if "namespaces" in rule["resources"]:
            rule["resources"].remove("namespaces")
    reading = {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list", "watch"]}
    api = "rbac.authorization.k8s.io"
    metadata = {"name": "all-but-namespaces"}
    alice.kube.create(
        {
            "apiVersion": f"{api}/v1",
            "kind": "ClusterRole",
            "metadata": metadata,
            "rules": [*rules, reading],
        }
    )
    alice.kube.create(
        {
            "apiVersion": f"{api}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": metadata["name"]},
            "subjects": [{"apiGroup": api, "kind": "User", "name": "powerless:alice"}],
        }
    )
    yield
    alice.kube.delete(kinds.CLUSTER_ROLE_BINDING, "", metadata["name"])
    alice.kube.delete(role, "", metadata["name"])


@pytest.mark.parametrize(
    ("details", "error"),
    [
        ("p2p={id}@{host} p2p={id}@10.231.0.199", "two different values of p2p="),
        ("p2p={id}@10.231.0.300.1", "p2p"),
        ("come to our stand", ""),
    ],
    ids=["two", "broken", "none"],
)
def test_a_bad_description_leaves_only_its_own_validator_out(
    details: str,
    error: str,
    alice: operators.Operator,
    bob: operators.Operator,
    consumer: str,
) -> None:
    alice.settled()
    home = launch.namespace_of(alice, consumer)
    pod = alice.kube.get(kinds.POD, home, "node-0")["metadata"]["uid"]
    good = bob.validator.details
    node_id = good.partition("=")[2].partition("@")[0]
    audit, sent = alice.audit(), len(alice.transactions())
    chains.describe(bob, details.format(id=node_id, host=bob.host.balancer))
    try:
        done = alice.once()
        (condition,) = [
            c
            for c in alice.chain(consumer, done.json["status"])["conditions"]
            if c["reason"] == "PeerLeftOut"
        ]
        assert condition["message"].startswith(f"{bob.validator.operator_address} is not a peer: ")
        assert error in condition["message"]
        assert "\n" not in condition["message"]
        # Only files of peers are others, and those are read at a node's next start.
        written = {w.split()[2] for w in but_for_relayers(audit.writes())} - {"provider/ics-alice"}
        written -= {f"{home}/watermark"}  # the heights that were signed may be due to be noted
        assert f"{home}/peers" in written
        assert all(name.endswith("/peers") for name in written), written
        assert len(alice.transactions()) == sent
    finally:
        chains.describe(bob, good)
    alice.settled()
    assert operators.worries(alice.chain(consumer)) == []
    assert "PeerLeftOut" not in [c["reason"] for c in alice.chain(consumer)["conditions"]]
    assert alice.kube.get(kinds.POD, home, "node-0")["metadata"]["uid"] == pod


def test_a_bad_description_of_no_peer_changes_nothing_of_the_chain(
    alice: operators.Operator, charlie: operators.Operator, consumer: str
) -> None:
    with operators.Cron([alice]):
        relaying.until_open(alice, consumer, 600.0)  # from then on its files stay as they are
    alice.settled()
    home = launch.namespace_of(alice, consumer)
    before = versions_in(alice, home)
    sent = len(alice.transactions())
    text = "p2p=10.0.0.1 p2p=10.0.0.2"
    chains.describe(charlie, text)
    try:
        # Of chains that are stopped the provider tells no members, so there everybody is tried as a peer.
        assert all(write.endswith("/peers") for write in but_for_relayers(alice.once().writes))
        assert versions_in(alice, home) == before
        assert len(alice.transactions()) == sent
        (shown,) = alice.show("peers", "--details", text).json
        assert shown["host"] is None
        assert shown["error"].startswith("two different values of p2p=")
    finally:
        chains.describe(charlie, charlie.validator.details)


def versions_in(operator: operators.Operator, home: str) -> dict[str, str]:
    """resourceVersion of the files, keys and Services of one chain."""
    steady = (kinds.CONFIG_MAP.name, kinds.SECRET.name, kinds.SERVICE.name)
    return {
        launch.shown(item): item["metadata"]["resourceVersion"]
        for item in operator.kube.members()
        if item["metadata"].get("namespace") == home
        and item["kind"] in steady
        and item["metadata"]["name"] not in (names.RELAYER_NAME, names.HERMES_CANDIDATE)
    }


def test_odd_chain_ids_are_launched_under_valid_names(
    alice: operators.Operator, bob: operators.Operator, consumer: str, project: pathlib.Path
) -> None:
    odd = ("Weird_Chain.1-1", LONGEST)
    for number, chain_id in enumerate(odd):
        projects.define(project, f"odd-{number}", {"chain_id": chain_id})
    ids = [chains.create(chain_id, NEVER) for chain_id in odd]
    spaces: dict[str, set[str]] = {one: set() for one in ids}
    joined: set[tuple[str, str]] = set()

    def pass_on_both() -> list[int]:
        heights = []
        with futures.ThreadPoolExecutor() as pool:
            passes = list(pool.map(lambda one: one.ics("up", project=project), (alice, bob)))
        for operator, done in zip((alice, bob), passes, strict=True):
            assert done.code == 0, done.err
            for one in ids:
                chain = operator.chain(one, done.json["status"])
                spaces[one].add(chain["namespace"])
                joined.update([(operator.name, one)] * (chain["participation"] == "validating"))
                heights.append((chain["node"] or {}).get("height") or 0)
        return heights

    waiting.until("both have joined both chains", lambda: (pass_on_both(), len(joined))[1], lambda n: n == 4)
    for one, chain_id in zip(ids, odd, strict=True):
        chains.move(one, chain_id, 2.0)
    waiting.until("both chains have blocks on both hosts", pass_on_both, lambda heights: min(heights) >= 2)

    for one in ids:
        (name,) = spaces[one]  # the same on both hosts and in every pass
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name)
        assert alice.kube.find(kinds.NAMESPACE, "", name) is not None
        chains.remove(one)

    def pods() -> list[kube.Object | None]:
        pass_on_both()
        return [operator.kube.pod(name) for operator in (alice, bob) for (name,) in spaces.values()]

    # Without their definitions they would be held, and load the machine in all later stories.
    waiting.until("their nodes have ended", pods, lambda found: found == [None] * 4)


def test_a_chain_id_beyond_the_longest_is_an_error(alice: operators.Operator) -> None:
    assert len(LONGEST) == 50
    assert alice.show("ports", LONGEST).code == 0

    done = alice.show("ports", f"{LONGEST}0")

    assert (done.code, done.out) == (2, "")
    assert done.complaint == f"chain id '{LONGEST}0' has 51 bytes, but the maximum is 50; shorten it"


def test_settings_of_another_validators_account_send_nothing(
    alice: operators.Operator, consumer: str, project: pathlib.Path
) -> None:
    shutil.copy(project / ".devnet" / "bob" / "account", project / "account")
    still = Still(alice)

    done = alice.ics("config", "check", "--set", "account={file: account}", project=project)

    assert (done.code, done.json["ok"]) == (2, False)
    (problem,) = done.json["problems"]
    assert problem.startswith("ics:account: address ")
    still.check()
