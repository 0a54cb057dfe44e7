import copy
import json
from typing import Any

import yaml

from devnet import demo, governed, identities, places, plan
from ics.cosmos import addresses

COMMITTED = places.CHECKOUT / "stacks" / "chains" / "ics-democracy.genesis.json"


def committed() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(COMMITTED.read_text())
    return document


def without_plan(document: dict[str, Any]) -> dict[str, Any]:
    found = copy.deepcopy(document)
    found["app_state"]["gov"] |= {"starting_proposal_id": "1", "proposals": [], "votes": []}
    return found


def test_committed_genesis_is_complete() -> None:
    base = without_plan(committed())
    assert governed.complete(base) == base


def test_committed_genesis_has_the_plan_of_the_demo() -> None:
    document = committed()
    (proposal,) = document["app_state"]["gov"]["proposals"]
    height = int(proposal["messages"][0]["plan"]["height"])
    assert governed.schedule(without_plan(document), height) == document


def test_governor_has_all_bonded_tokens_and_its_vote_counts() -> None:
    document = committed()["app_state"]
    (validator,) = document["staking"]["validators"]
    pool = addresses.encode(governed.PREFIX, addresses.module_account("bonded_tokens_pool"))
    coins = {one["address"]: one["coins"] for one in document["bank"]["balances"]}
    assert coins[pool] == [{"denom": plan.DENOM, "amount": validator["tokens"]}]
    assert document["staking"]["params"]["bond_denom"] == plan.DENOM
    assert [vote["voter"] for vote in document["gov"]["votes"]] == [
        identities.governor().address(governed.PREFIX)
    ]


def test_scheduling_leaves_the_base_alone_and_names_plan_height_and_end() -> None:
    base = without_plan(committed())
    before = copy.deepcopy(base)
    document = governed.schedule(base, 77, name="other", voted="2026-01-01T00:00:00Z")
    assert base == before
    (proposal,) = document["app_state"]["gov"]["proposals"]
    assert proposal["voting_end_time"] == "2026-01-01T00:00:00Z"
    assert (
        proposal["messages"]
        == [governed.upgrade_message(77, "other")]
        == [
            {
                "@type": "/cosmos.upgrade.v1beta1.MsgSoftwareUpgrade",
                "authority": addresses.encode(governed.PREFIX, addresses.module_account("gov")),
                "plan": {"name": "other", "time": "0001-01-01T00:00:00Z", "height": "77", "info": ""},
            }
        ]
    )


def test_definition_of_the_demo_has_the_plan_of_the_genesis_and_images_that_are_built() -> None:
    definition = yaml.safe_load(COMMITTED.with_name("ics-democracy.yaml").read_text())
    (proposal,) = committed()["app_state"]["gov"]["proposals"]
    (planned,) = (message["plan"] for message in proposal["messages"])
    assert definition["image"] == plan.DEMOCRACY_IMAGE
    assert definition["upgrades"] == [
        {"name": planned["name"], "height": int(planned["height"]), "image": plan.SECOND_DEMOCRACY_IMAGE}
    ]
    assert int(planned["height"]) == demo.UPGRADE_HEIGHT
