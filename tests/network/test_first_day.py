"""A newcomer's first day: from an empty folder and a wheel to a chain that signs, with one mistake on the way."""

import json
import os
import pathlib
import shutil
import urllib.request
from typing import Any

import pytest

from devnet import identities, places, plan
from tests.network import chains, first_day, operators, waiting

pytestmark = pytest.mark.soak

PORT = 18080
CHAIN_ID = "star-1"
TEN_MINUTES = 600.0
DEFINITION = """\
name: star
match: {{chain_id: star-1, owner: {owner}}}
image: ghcr.io/cosmos/interchain-security:v7.0.1{typo}
binary: interchain-security-cd
bech32_prefix: consumer
denom: stake
min_gas_price: 0stake
genesis:
  base: {{file: star.genesis.json}}
  time: launch
  fund: {{relayers: 100000000stake}}
"""
OWN_OF_THE_NETWORK = """\
  ics:relayer: {image: "localhost/ics-devnet/hermes:1.10.5"}
"""


def chain_of(newcomer: first_day.Newcomer, consumer_id: str) -> dict[str, Any]:
    """The chain as the daemon's page has it; empty while it has none."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/status.json", timeout=5) as answer:
            found = json.load(answer)
    except OSError:
        return {}
    return next((one for one in found.get("chains", ()) if one["consumer_id"] == consumer_id), {})


def reasons(chain: dict[str, Any]) -> set[str]:
    """The reasons of a chain's conditions."""
    return {one["reason"] for one in chain.get("conditions", ())}


def test_first_day(charlie: operators.Operator, tmp_path: pathlib.Path) -> None:
    home = tmp_path / "home"
    (home / "safe").mkdir(parents=True)
    shutil.copy(first_day.wheel(tmp_path), home)
    access = places.credentials("charlie")
    for name in ("kubeconfig", "account"):
        shutil.copy(access / name, home)
    shutil.copy(chains.BASE, home / "star.genesis.json")
    owner = identities.owner().address(identities.PREFIX)
    rest = plan.host("charlie").rest
    newcomer = first_day.Newcomer(home)

    newcomer.note("## Install")
    newcomer.type("python3 -m venv ics && ics/bin/pip install --quiet ./ics_operator-*.whl && ics --version")

    newcomer.note(
        "## Set up\n\nThe newcomer has the REST address of a provider node, a kubeconfig, and the validator's account"
        " in a file."
    )
    newcomer.type("head -c 18 /dev/urandom | base64 > passphrase && chmod 600 passphrase account kubeconfig")
    newcomer.type(
        f"ics init validators --rest {rest} --validator charlie --account file:$HOME/account"
        " --kubeconfig kubeconfig --cloud none --seed new --seed-copy safe/seed --passphrase-file passphrase"
        f" --policy listed --allow {owner} --yes",
        is_fine=False,
    )
    stack = newcomer.project / "stacks" / "Pulumi.charlie.yaml"
    with stack.open("a") as file:
        file.write(OWN_OF_THE_NETWORK)
    newcomer.note(
        "The local network has an image of Hermes of its own, so one line is added to the stack file."
    )
    newcomer.type("tail -n 2 stacks/Pulumi.charlie.yaml")
    newcomer.type(f"ics endpoint register --host {plan.host('charlie').balancer}")

    newcomer.note(
        "## A chain\n\nIts owner announces a chain, and publishes its genesis without the validators. The newcomer"
        " writes a definition, and mistypes the image's tag."
    )
    consumer_id = chains.create(CHAIN_ID, 3600.0)
    text = DEFINITION.format(owner=owner, typo="l")
    newcomer.type(
        f"cp ~/star.genesis.json stacks/chains/ && cat > stacks/chains/star.yaml <<'END'\n{text}END"
    )
    newcomer.type("ics config check")
    newcomer.type("ics doctor", is_fine=False)
    newcomer.type("ics plan")
    newcomer.type("ics up --yes", is_fine=False)
    newcomer.type("ics status")

    newcomer.note("## The daemon, its page, and the first alarm")
    with newcomer.beside(f"ics watch --set daemon.port={PORT}"):
        waiting.until(
            "the page shows that the image cannot be pulled",
            lambda: chain_of(newcomer, consumer_id),
            lambda chain: "pull" in json.dumps(chain.get("conditions", ())).lower(),
        )
        newcomer.type(f"curl -s localhost:{PORT}/ | grep '<h1'")
        newcomer.type("ics status")
        newcomer.type(f"ics describe {consumer_id}")
        newcomer.note("The image is not there: the tag ends with an l. The newcomer corrects the definition.")
        newcomer.type("sed -i 's/v7.0.1l/v7.0.1/' stacks/chains/star.yaml && ics config check")
        waiting.until(
            "the chain is staged and joined",
            lambda: chain_of(newcomer, consumer_id),
            lambda chain: "Staged" in reasons(chain) and chain["participation"] == "validating",
        )
        newcomer.type("ics status")

        newcomer.note("## The launch\n\nThe owner sets the spawn time.")
        chains.move(consumer_id, CHAIN_ID, 5.0)
        waiting.until(
            "the node signs",
            lambda: chain_of(newcomer, consumer_id),
            lambda chain: (chain.get("node") or {}).get("signing") and chain["node"]["height"] > 5,
        )
        newcomer.type("ics status")
        newcomer.type(f"curl -s localhost:{PORT}/ | grep '<h1'")
        newcomer.type("ics rewards")

    newcomer.note(f"The commands took {newcomer.seconds:.0f} s in all.")
    waiting.figure("the commands of a newcomer's first day", newcomer.seconds)
    target = os.environ.get("FIRST_DAY_TRANSCRIPT")
    if target:
        pathlib.Path(target).write_text(newcomer.transcript())
    assert newcomer.seconds < TEN_MINUTES
    newcomer.type("ics destroy --yes", is_fine=False)
