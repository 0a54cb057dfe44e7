"""A newcomer's first day, from an empty home to a chain that signs, and the page that shows it.

    python -m tests.network.first_day

writes what was typed and answered into `docs/first-day.md`, on a local network that is up and new. The page's words
are written by hand; a walk replaces its blocks only.
"""

import pathlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any, Final

import httpx

from devnet import identities, places, plan
from tests.network import chains, in_cluster, newcomer, operators, waiting

PAGE: Final = places.CHECKOUT / "docs" / "first-day.md"
CHAIN_ID: Final = "star-1"
DEFINITION: Final = """\
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
_PORT: Final = 18080
"""Of the daemon: the default one may be in use on the machine of the local network."""
_SPAWN_IN: Final = 3600.0
"""Seconds; the owner brings it forward as soon as the newcomer has joined."""
_BLOCK: Final = re.compile(r"```text\n(.*?)```\n", re.DOTALL)
_END: Final = re.compile(r"^# \d+\.\d s\n", re.MULTILINE)
"""The last line of an entry of a block."""
_SUM: Final = re.compile(r"\*\*\d+ s\*\*")
_UNSTEADY: Final = (
    (r"\b(cosmos|cosmosvaloper|consumer)1[02-9ac-hj-np-z]{38}\b", "ADDRESS"),
    (r"[A-Za-z0-9+/]{43}=", "KEY"),
    (r"\b[0-9a-f]{8,}\b", "HEX"),
    (r"[0-9][0-9.,]*", "N"),
    (r" {2,}", " "),
)


def walk(charlie: operators.Operator, folder: pathlib.Path) -> newcomer.Newcomer:
    """Walk the whole way as charlie, whose validator has no chain yet, and put the network in order again.

    Args:
        charlie: the validator's operator, as the local network has it.
        folder: an empty one.
    """
    walker = newcomer.Newcomer(_home(folder))
    owner = identities.owner().address(identities.PREFIX)
    try:
        _set_up(walker, owner)
        consumer_id = chains.create(CHAIN_ID, _SPAWN_IN)
        try:
            _define_and_run(walker, owner)
            _watch(walker, consumer_id)
        finally:
            _end(charlie, walker, consumer_id)
    finally:
        registered = charlie.ics("endpoint", "register", "--host", charlie.host.balancer)
    assert registered.code == 0, registered.err
    return walker


def _home(folder: pathlib.Path) -> pathlib.Path:
    """Return a home with what the newcomer has: the wheel, a kubeconfig, the account, and the chain's genesis."""
    home = folder / "home"
    (home / "safe").mkdir(parents=True)
    shutil.copy(newcomer.wheel(folder), home)
    for name in ("kubeconfig", "account"):
        shutil.copy(places.credentials("charlie") / name, home)
    shutil.copy(chains.BASE, home / "star.genesis.json")
    return home


def _set_up(walker: newcomer.Newcomer, owner: str) -> None:
    host = plan.host("charlie")
    walker.pause()
    walker.type(
        "python3 -m venv ics && ics/bin/pip install --quiet ./ics_operator-*.whl"
        " && PATH=~/ics/bin:$PATH && ics --version",
        is_steady=True,
    )
    walker.pause()
    walker.type("head -c 18 /dev/urandom | base64 > passphrase && chmod 600 passphrase account kubeconfig")
    walker.type(
        f"ics init validators --rest {host.rest} --validator charlie --account file:$HOME/account"
        " --kubeconfig kubeconfig --cloud none --seed new --seed-copy safe/seed --passphrase-file passphrase"
        f" --policy listed --allow {owner} --yes",
        is_steady=True,
    )
    walker.pause()
    walker.type(
        "echo '  ics:relayer: {image: \"localhost/ics-devnet/hermes:1.10.5\"}' >> stacks/Pulumi.charlie.yaml"
    )
    walker.type(f"ics endpoint register --host {host.balancer}", is_steady=True)


def _define_and_run(walker: newcomer.Newcomer, owner: str) -> None:
    walker.pause()
    definition = DEFINITION.format(owner=owner, typo="l")
    walker.type(
        f"cp ~/star.genesis.json stacks/chains/ && cat > stacks/chains/star.yaml <<'END'\n{definition}END"
    )
    walker.type("ics config check", is_steady=True)
    walker.type("ics doctor", is_steady=True)
    walker.pause()
    walker.type("ics plan", is_steady=True)
    walker.type("ics up --yes")
    walker.type("ics status")


def _watch(walker: newcomer.Newcomer, consumer_id: str) -> None:
    with walker.beside(f"ics watch --set daemon.port={_PORT}"):
        waiting.until(
            "the page shows that the image cannot be pulled",
            lambda: _checklist(_chain(consumer_id)),
            lambda items: any("cannot be pulled" in item for item in items),
        )
        walker.pause()
        walker.type(f"curl -s localhost:{_PORT}/ | grep '<h1'")
        walker.type("ics status")
        walker.type(f"ics describe {consumer_id}")
        walker.pause()
        walker.type("sed -i 's/v7.0.1l/v7.0.1/' stacks/chains/star.yaml && ics config check", is_steady=True)
        waiting.until(
            "the chain is staged and joined",
            lambda: _chain(consumer_id),
            lambda chain: chain.get("participation") == "validating" and "Staged" in _reasons(chain),
        )
        walker.pause()
        walker.type("ics status")
        chains.move(consumer_id, CHAIN_ID, 5.0)
        waiting.until(
            "the node signs",
            lambda: _chain(consumer_id),
            lambda chain: (chain.get("node") or {}).get("signing") and chain["node"]["height"] > 5,
        )
        walker.pause()
        walker.type("ics status")
        walker.type(f"curl -s localhost:{_PORT}/ | grep '<h1'")
        walker.type("ics rewards")


def _end(charlie: operators.Operator, walker: newcomer.Newcomer, consumer_id: str) -> None:
    """Remove the chain and everything of the newcomer's; none of it is on the page."""
    if chains.phase(consumer_id) == "LAUNCHED":
        chains.remove(consumer_id)
    shown = walker.blocks
    walker.blocks = [[]]
    walker.type("ics destroy")
    walker.blocks = shown
    in_cluster.forget(charlie.kube, consumer_id)


def _chain(consumer_id: str) -> dict[str, Any]:
    """Return the chain as the daemon's page has it; empty while it has none."""
    try:
        found = httpx.get(f"http://127.0.0.1:{_PORT}/status.json", timeout=5, trust_env=False).json()
    except httpx.TransportError:
        return {}
    return next((one for one in found.get("chains", ()) if one["consumer_id"] == consumer_id), {})


def _reasons(chain: dict[str, Any]) -> set[str]:
    return {one["reason"] for one in chain.get("conditions", ())}


def _checklist(chain: dict[str, Any]) -> list[str]:
    return [str(item) for item in chain.get("checklist", ())]


# -- the page ------------------------------------------------------------------------------------------


def written(page: str, walker: newcomer.Newcomer) -> str:
    """Return the page with the blocks of a walk, and the sum of its commands' times."""
    blocks = iter(["".join(_entry(typed) for typed in block) for block in walker.blocks])
    text = _BLOCK.sub(lambda _: f"```text\n{next(blocks)}```\n", page)
    assert next(blocks, None) is None, f"{PAGE.name} has too few blocks"
    return _SUM.sub(f"**{walker.seconds:.0f} s**", text)


def differences(page: str, walker: newcomer.Newcomer) -> list[str]:
    """Return where the page is not what a newcomer types and sees.

    Every command must be on the page. Of what is answered, that must be the same, but for keys, heights and times,
    which does not depend on how far the cluster has come.
    """
    shown = [entry for block in _BLOCK.findall(page) for entry in _END.split(block)[:-1]]
    typed = [one for block in walker.blocks for one in block]
    if len(shown) != len(typed):
        return [f"the page shows {len(shown)} commands, and {len(typed)} were typed"]
    return list(_different(shown, typed))


def _different(shown: list[str], typed: list[newcomer.Typed]) -> Iterator[str]:
    for entry, one in zip(shown, typed, strict=True):
        command = _steady(_command(one))
        if not _steady(entry).startswith(command):
            yield f"not the next command of the page: {one.text}"
        elif one.is_steady and _steady(entry) != command + _steady(one.answer):
            yield f"{one.text}\nanswers\n{one.answer}and the page shows\n{entry}"


def _entry(typed: newcomer.Typed) -> str:
    return f"{_command(typed)}{typed.answer}# {typed.seconds:.1f} s\n"


def _command(typed: newcomer.Typed) -> str:
    return f"{typed.prompt}$ {typed.text}\n"


def _steady(text: str) -> str:
    for pattern, word in _UNSTEADY:
        text = re.sub(pattern, word, text)
    return text


if __name__ == "__main__":
    operator = operators.Operator("charlie")
    with tempfile.TemporaryDirectory() as empty:
        PAGE.write_text(written(PAGE.read_text(), walk(operator, pathlib.Path(empty))))
