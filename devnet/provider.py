"""The provider chain: one `interchain-security-pd` node on every host."""

import contextlib
import datetime
import json
import shutil
from pathlib import Path

import httpx

from devnet import hosts, places, plan, processes
from devnet.genesis import OWNER_HOME
from devnet.plan import Host

PROGRAM = "provider"


def write_homes(genesis: Path) -> None:
    """Create the nodes' homes from the cached genesis with the current time, once per network.

    Args:
        genesis: the cache entry of `genesis.recipe`.
    """
    mark = places.state() / "provider-genesis.json"
    if mark.exists():
        return
    document = json.loads((genesis / "genesis.json").read_text())
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    document["genesis_time"] = now.isoformat().replace("+00:00", "Z")
    text = json.dumps(document)
    for host in plan.HOSTS:
        target = home(host)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(genesis / host.name, target)
        (target / "config" / "genesis.json").write_text(text)
    owner = owner_home()
    shutil.rmtree(owner, ignore_errors=True)
    shutil.copytree(genesis / OWNER_HOME, owner)
    owner.chmod(0o700)
    temporary = mark.with_suffix(".new")
    temporary.write_text(text)
    temporary.rename(mark)


def start(host: Host, program: Path) -> None:
    """Start the host's node unless it is running."""
    argv = [str(program), "start", "--home", str(home(host)), "--log_level", "info", "--log_no_color"]
    processes.start(host.name, PROGRAM, hosts.in_network(host, argv))


def replace(host: Host, program: Path) -> None:
    """End the host's node and start it with another program, as its operator does for an upgrade."""
    processes.end(host.name, PROGRAM)
    start(host, program)


def await_height(height: int, timeout: float = 90.0) -> None:
    """Wait until every host's node has committed the height.

    Raises:
        Permanent: a node ended.
        Transient: the timeout has expired.
    """
    for each in plan.HOSTS:
        processes.await_true(
            lambda host=each: reached(host) >= height,  # type: ignore[misc]
            f"height {height} of the provider at {each.name}",
            timeout=timeout,
            needs=[(host.name, PROGRAM) for host in plan.HOSTS],
            every=0.2,
        )


def reached(host: Host) -> int:
    """Return the last committed height of the host's node, or 0 if it does not answer."""
    with contextlib.suppress(httpx.HTTPError, KeyError, ValueError):
        status = httpx.get(f"{host.rpc}/status", timeout=2, trust_env=False).json()["result"]
        return int(status["sync_info"]["latest_block_height"])
    return 0


def home(host: Host) -> Path:
    """Return the home of the host's node."""
    return places.host_state(host.name) / "provider"


def owner_home() -> Path:
    """Return the folder with the chain owner's keyring."""
    return places.state() / OWNER_HOME
