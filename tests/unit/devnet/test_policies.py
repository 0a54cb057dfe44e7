from pathlib import Path

from devnet import policies

SERVED = """\
  100  19310     0 2   128     0     0        0  1
"""
ANOTHER = """\
  101  19310     0 2   128     0     0      100  1
"""


def test_queue_is_served_once_the_program_reads_it() -> None:
    assert policies.is_served(ANOTHER + SERVED)
    assert not policies.is_served(ANOTHER)
    assert not policies.is_served("")


def test_only_new_connections_of_pods_are_queued_and_none_is_let_through_without_the_program() -> None:
    found = [" ".join(rule) for rule in policies.rules("10.232.1.0/24")]
    queued = [rule for rule in found if "NFQUEUE" in rule]
    assert [rule.split()[5:8] for rule in queued] == [
        ["ICS-POLICIES", "-s", "10.232.1.0/24"],
        ["ICS-POLICIES", "-d", "10.232.1.0/24"],
    ]
    assert not any("bypass" in rule for rule in found)
    assert found.index(next(rule for rule in found if "ESTABLISHED" in rule)) < found.index(queued[0])


def test_program_reads_the_queue_that_the_rules_fill() -> None:
    (number,) = {rule[-1] for rule in policies.rules("10.232.1.0/24") if "NFQUEUE" in rule}
    assert f"-queue={number}" in policies.command(Path("program"), Path("kubeconfig"), "alice")
