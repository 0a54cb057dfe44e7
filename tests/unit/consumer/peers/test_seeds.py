"""Seeds that do not resolve, with which a fresh node exits."""

import dataclasses

import pytest

from ics import model
from ics.conditions import Severity
from ics.consumer import desired, observed, questions
from ics.manifests import node_files
from tests.unit import factories

P = model.Phase
GONE, FINE = "a" * 40 + "@gone.example.com:26656", "b" * 40 + "@seed.example.com:26656"
EXAMPLE = factories.example(seeds=[GONE, FINE])


def judge(
    unresolved: set[str], members: tuple[str, ...] = ("alice", "bob"), phase: model.Phase = P.LAUNCHED
) -> desired.Desired:
    found = factories.consumer(phase, factories.joined(*members))
    launches = {"0": factories.launch(*members)} if phase is P.LAUNCHED else {}
    seen = factories.observation(
        factories.snapshot(found, launches=launches),
        memory=factories.staged(),
        checked_hosts=frozenset({"gone.example.com", "seed.example.com"}),
        unresolved=frozenset(unresolved),
    )
    return factories.judge(seen, definitions=[EXAMPLE])


def seeds_of(found: desired.Desired) -> str:
    data: dict[str, str] = factories.rendered(found)["ConfigMap/seeds"]["data"]
    return data["seeds"]


def conditions(found: desired.Desired) -> list[tuple[Severity, str]]:
    return [(c.severity, c.message) for c in found.decisions[0].conditions if c.reason == "SeedUnresolved"]


@pytest.mark.parametrize("phase", [P.INITIALIZED, P.LAUNCHED])
def test_seeds_without_an_address_are_left_out_beside_persistent_peers(phase: model.Phase) -> None:
    found = judge({"gone.example.com", "seed.example.com"}, phase=phase)
    assert seeds_of(found) == ""
    ((severity, message),) = conditions(found)
    assert severity is Severity.WARNING
    assert message.endswith("a new node may exit with them: gone.example.com, seed.example.com")
    assert seeds_of(judge({"gone.example.com"}, phase=phase)) == FINE
    assert conditions(judge(set(), phase=phase)) == []


def test_without_other_peers_seeds_are_kept_and_it_is_critical_if_none_has_an_address() -> None:
    found = judge({"gone.example.com", "seed.example.com"}, ("alice",))
    assert seeds_of(found) == f"{GONE},{FINE}"
    assert [severity for severity, _ in conditions(found)] == [Severity.CRITICAL]
    found = judge({"gone.example.com"}, ("alice",))
    assert seeds_of(found) == f"{GONE},{FINE}"
    assert [severity for severity, _ in conditions(found)] == [Severity.WARNING]


def test_seeds_change_without_a_restart() -> None:
    sets = [
        factories.rendered(judge(gone))["StatefulSet/node"] for gone in (set[str](), {"gone.example.com"})
    ]
    assert sets[0] == sets[1]
    (chain,) = judge(set()).chains
    assert '--p2p.seeds "$(cat /etc/ics/seeds/seeds)"\n' in node_files.start_script(chain)
    assert "p2p.seeds" not in node_files.start_script(
        dataclasses.replace(chain, definition=factories.example().definition)
    )


def test_names_are_looked_up_until_the_node_runs() -> None:
    def asked(seen: observed.Observed) -> dict[str, bool]:
        wanted = factories.judge(seen, definitions=[EXAMPLE])
        return dict(questions.open_questions(seen, wanted, factories.seed("alice")).hosts)

    staged = factories.observation(
        factories.snapshot(factories.consumer(found=factories.joined("alice", "bob"))),
        memory=factories.staged(),
    )
    names = {"gone.example.com", "seed.example.com"}
    assert asked(staged) == dict.fromkeys(names, False)
    assert asked(dataclasses.replace(staged, checked_hosts=frozenset(names))) == {}
    launched = dataclasses.replace(
        staged,
        snapshot=factories.snapshot(
            factories.consumer(P.LAUNCHED, factories.joined("alice", "bob")),
            launches={"0": factories.launch("alice", "bob")},
        ),
    )
    assert asked(launched) == dict.fromkeys(names, True)
    running = dataclasses.replace(
        launched, observations={"0": model.Observation(factories.pod(), factories.node("alice", "bob"))}
    )
    assert asked(running) == {}


@pytest.mark.parametrize(
    "host", ["seed", "seed.ns.svc", "seed.ns.svc.cluster.local", "seed.corp.internal", "1.2.3.4"]
)
def test_names_that_may_be_known_elsewhere_only_are_not_judged(host: str) -> None:
    example = factories.example(seeds=["a" * 40 + f"@{host}:26656"])
    seen = factories.observation(
        factories.snapshot(factories.consumer(found=factories.joined("alice"))), memory=factories.staged()
    )
    wanted = factories.judge(seen, definitions=[example])
    assert questions.open_questions(seen, wanted, factories.seed("alice")).hosts == {}
