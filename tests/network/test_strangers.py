"""Chains with ids that no name can have, which anybody can create, stop nobody and show nothing that acts."""

import datetime
import json
import pathlib
import unicodedata

import pytest

from devnet import owner, plan
from tests.network import chains, operators

pytestmark = pytest.mark.network

NEVER = 24 * 3600.0
"""A spawn time that does not come in a session."""
CROWD = 12
"""Chains that are merely registered; a thousand of them are in tests/unit/consumer/test_desired.py."""
TEXT = "\x1b[2J\n0 critical\u202e run: x"


def created(folder: pathlib.Path, chain_id: str, is_registered: bool = False) -> str:
    """Create a chain by the chain's own program, which accepts ids that this one refuses, and return its id."""
    before = {one["consumer_id"] for one in chains.of_phase(0)}
    spawn = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=NEVER)
    document = {
        "chain_id": chain_id,
        "metadata": {"name": TEXT, "description": TEXT, "metadata": TEXT},
        "initialization_parameters": {
            # An id with a line feed has no revision for the chain (ibc-go's ParseChainID), so it is 0.
            "initial_height": {"revision_number": int("\n" not in chain_id), "revision_height": 1},
            "genesis_hash": "",
            "binary_hash": "",
            "spawn_time": "0001-01-01T00:00:00Z" if is_registered else spawn.isoformat(),
            "unbonding_period": plan.CONSUMER_UNBONDING_SECONDS * 10**9,
            "ccv_timeout_period": 72 * 3600 * 10**9,
            "transfer_timeout_period": 3600 * 10**9,
            "consumer_redistribution_fraction": "0.75",
            "blocks_per_distribution_transmission": 1000,
            "historical_entries": 10000,
            "distribution_transmission_channel": "",
        },
    }
    path = folder / "chain.json"
    path.write_text(json.dumps(document))
    owner.create_from_file(path)
    (new,) = {one["consumer_id"] for one in chains.of_phase(0)} - before
    return str(new)


def check(shown: str) -> None:
    """Fail if a terminal would act on a line."""
    for line in shown.split("\n"):
        acting = [one for one in line if unicodedata.category(one) in ("Cc", "Cf", "Zl", "Zp")]
        assert acting == [], ascii(line)
        assert not line.startswith("0 critical"), line


def test_chains_with_impossible_ids_stop_nobody(
    alice: operators.Operator, consumer: str, tmp_path: pathlib.Path
) -> None:
    ids = {
        "space": created(tmp_path, "consumer x-1"),
        "escape": created(tmp_path, "consumer\x1b[2Jy-1"),
        "line feed": created(tmp_path, "consumer\n0 critical-1"),
        "direction": created(tmp_path, "consumer\u202ez-1"),
        "path": created(tmp_path, "consumer/../1-1"),
    }
    crowd = [created(tmp_path, f"crowd {number}-1", is_registered=True) for number in range(CROWD)]
    try:
        good = chains.create(chains.fresh("consumer9"), NEVER)
        done = alice.once()

        assert done.code == 0, done.err
        chain = alice.chain(good, done.json["status"])
        assert chain["namespace"] is not None
        for consumer_id in ids.values():
            odd = alice.chain(consumer_id, done.json["status"])
            assert [one["reason"] for one in odd["conditions"]] == ["ChainIdInvalid"]
            assert (odd["namespace"], odd["ports"]) == (None, None)
        for one in crowd:
            assert alice.chain(one, done.json["status"])["ports"] is None
        for words in (("status",), ("consumer", "list"), ("consumer", "show", ids["escape"]), ("plan",)):
            for flags in ((), ("--json",)):
                printed = alice.plain(*words, *flags)
                check(printed.out)
                check(printed.err)
        namespaces = {item["metadata"].get("namespace", "") for item in alice.kube.members()}
        assert not any(f"-{consumer_id}-" in name for name in namespaces for consumer_id in ids.values())
    finally:
        # They can never be removed; under other names no later story meets them.
        for consumer_id in (*ids.values(), *crowd):
            owner.update_consumer(consumer_id, owner.ConsumerSpec(chains.fresh("stranger")))
