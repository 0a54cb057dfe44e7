"""A provider chain of one real node on loopback, for tests: `interchain-security-pd` v7.0.1.

Validator alice runs; bob and charlie are validators in the genesis whose nodes never run: alice's power
alone is more than two thirds. Keys and genesis are made once, by twenty commands, and kept in the cache; each chain
begins at its own time. Nothing else is left behind after `stop`.
"""

import base64
import dataclasses
import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from devnet import cache
from devnet.progress import Progress
from ics.cosmos import gas_prices
from tests import free_ports

CHAIN_ID = "provider-1"
DENOM = "stake"
TOKENS = {"alice": 300_000_000_000, "bob": 2_000_000_000, "charlie": 1_000_000_000}
DETAILS = {
    "alice": "p2p=10.0.0.1:26656",
    "bob": 'my text "p2p":"[fd00::2]:26656"',
    "charlie": "",
}
SPARE = 1_000_000_000_000_000
OPERATORS = "operators.json"


def binary() -> pathlib.Path | None:
    """The provider's binary: $ICS_TEST_PD, or what the local network has built."""
    named = os.environ.get("ICS_TEST_PD")
    if named:
        return pathlib.Path(named)
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
    built = sorted(cache.glob("ics-operator/chains-v7.0.1-*/interchain-security-pd"))
    return built[-1] if built else None


async def least_price() -> gas_prices.GasPrice:
    """What is asked when no price is known: the least one of the settings is paid."""
    return gas_prices.GasPrice()


def free_port() -> int:
    """A TCP port of loopback that nobody listens on."""
    (port,) = free_ports.take(1)
    return port


@dataclass(frozen=True)
class Operator:
    """One validator of the genesis."""

    name: str
    mnemonic: str
    account: str
    operator_address: str


class Node:
    """The running chain."""

    def __init__(
        self,
        folder: pathlib.Path,
        program: pathlib.Path,
        *,
        min_retain: int = 0,
        is_indexed: bool = True,
        peer: "Node | None" = None,
    ) -> None:
        """Lay out the home; `start` runs it.

        Args:
            folder: an empty one, for the chain's data.
            program: interchain-security-pd.
            min_retain: keep only that many states; 0: all.
            is_indexed: transactions can be looked up by their hash.
            peer: a running node; then this one is a full node of the same chain, no validator.
        """
        self.folder, self.program, self._keep, self._peer = folder, program, min_retain, peer
        self.home = folder / "alice"
        self.rest_port, self.rpc_port, self.grpc_port, self.p2p_port = free_ports.take(4)
        self.rest = f"http://127.0.0.1:{self.rest_port}"
        self.grpc = f"http://127.0.0.1:{self.grpc_port}"
        self.rpc = f"http://127.0.0.1:{self.rpc_port}"
        self.operators: dict[str, Operator] = {}
        self.process: subprocess.Popen[bytes] | None = None
        if peer is None:
            self._copy(cache.ensure(_recipe(program), Progress()))
        else:
            self.run("init", "replica", "--chain-id", CHAIN_ID)
            self.operators = peer.operators
            genesis = pathlib.Path("config", "genesis.json")
            (self.home / genesis).write_bytes((peer.home / genesis).read_bytes())
        self._configure(is_indexed)

    # -- making ------------------------------------------------------------------------------------

    def run(self, *arguments: str, home: pathlib.Path | None = None, given: str | None = None) -> str:
        """Run the binary to its end and answer what it printed."""
        return _run(self.program, home or self.home, *arguments, given=given)

    def _copy(self, made: pathlib.Path) -> None:
        shutil.copytree(made, self.folder, dirs_exist_ok=True)
        self.operators = {one["name"]: Operator(**one) for one in json.loads((made / OPERATORS).read_text())}
        path = self.home / "config" / "genesis.json"
        genesis = json.loads(path.read_text())
        genesis["genesis_time"] = datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")
        path.write_text(json.dumps(genesis))

    def _configure(self, is_indexed: bool) -> None:
        config = self.home / "config" / "config.toml"
        text = config.read_text()
        for old, new in (
            (r"tcp://127\.0\.0\.1:26657", f"tcp://127.0.0.1:{self.rpc_port}"),
            (r"tcp://0\.0\.0\.0:26656", f"tcp://127.0.0.1:{self.p2p_port}"),
            (r"localhost:6060", ""),
            (r'indexer = "kv"', f'indexer = "{"kv" if is_indexed else "null"}"'),
            (r'timeout_commit = "[^"]*"', 'timeout_commit = "500ms"'),
            ("addr_book_strict = true", "addr_book_strict = false"),
            ("allow_duplicate_ip = false", "allow_duplicate_ip = true"),
            ('persistent_peers = ""', f'persistent_peers = "{self._peer_address()}"'),
        ):
            text = re.sub(old, new, text)
        config.write_text(text)

    def _peer_address(self) -> str:
        if self._peer is None:
            return ""
        node_id = self.run("comet", "show-node-id", home=self._peer.home).strip()
        return f"{node_id}@127.0.0.1:{self._peer.p2p_port}"

    # -- running -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the node and wait until its gateway answers."""
        command = [
            str(self.program), "start", "--home", str(self.home),
            "--api.enable", "--api.address", f"tcp://127.0.0.1:{self.rest_port}",
            "--grpc.address", f"127.0.0.1:{self.grpc_port}",
            "--minimum-gas-prices", f"0.001{DENOM}", "--log_level", "error",
        ]  # fmt: skip
        if self._keep:
            command += ["--pruning", "custom", "--pruning-interval", "10"]
            command += ["--pruning-keep-recent", str(self._keep)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self.until(lambda: self.height() >= 3)

    def stop(self) -> None:
        """End the node, by its process id."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def replace(self, program: pathlib.Path) -> None:
        """Go on with another program, once the node has halted."""
        self.stop()
        self.program = program
        self.start()

    def until(self, check: Any, seconds: float = 60) -> None:
        """Wait for `check()` to be true; a chain that does not answer yet counts as not true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if check():
                    return
            except (OSError, KeyError):
                pass
            time.sleep(0.1)
        raise TimeoutError(f"the provider did not get there; see {self.folder / 'log'}")

    # -- asking and ordering -----------------------------------------------------------------------

    def get(self, path: str, height: int | None = None) -> tuple[int, bytes]:
        """Status and body that the REST gateway answers."""
        headers = {} if height is None else {"x-cosmos-block-height": str(height)}
        request = urllib.request.Request(self.rest + path, headers=headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def ask(self, path: str) -> dict[str, Any]:
        """JSON of an answer that must be one."""
        status, body = self.get(path)
        if status != 200:
            raise KeyError(body.decode())
        answer: dict[str, Any] = json.loads(body)
        return answer

    def height(self) -> int:
        """Newest committed height."""
        return int(self.ask("/cosmos/base/node/v1beta1/status")["height"])

    def submit(self, sender: str, *command: str) -> str:
        """Hand a transaction to the mempool by the chain's own CLI and answer its hash."""
        printed = self.run(
            "tx", *command, "--from", sender, "--keyring-backend", "test", "--chain-id", CHAIN_ID,
            "--node", f"tcp://127.0.0.1:{self.rpc_port}", "--gas", "1000000", "--fees", f"1000{DENOM}",
            "--yes", "--output", "json",
        )  # fmt: skip
        answer = json.loads(printed)
        if answer["code"]:
            raise RuntimeError(answer["raw_log"])
        return str(answer["txhash"])

    def send(self, sender: str, *command: str) -> dict[str, Any]:
        """Send a transaction by the chain's own CLI and answer it once it is in a block."""
        tx_hash = self.submit(sender, *command)
        found: dict[str, Any] = {}

        def included() -> bool:
            found.update(self.ask(f"/cosmos/tx/v1beta1/txs/{tx_hash}")["tx_response"])
            return True

        self.until(included)
        if found["code"]:
            raise RuntimeError(found["raw_log"])
        return found

    def create_consumer(
        self,
        chain_id: str,
        spawn_time: str = "",
        owner: str = "charlie",
        genesis_hash: bytes = b"genesis hash",
        **more: object,
    ) -> str:
        """Create a consumer chain; INITIALIZED with a spawn time (RFC 3339), REGISTERED without.

        Returns:
            its consumer id.
        """
        order = self.consumer_order(chain_id, spawn_time, genesis_hash, **more)
        included = self.send(owner, "provider", "create-consumer", order)
        return next(
            str(attribute["value"])
            for event in included["events"]
            if event["type"] == "create_consumer"
            for attribute in event["attributes"]
            if attribute["key"] == "consumer_id"
        )

    def consumer_order(
        self, chain_id: str, spawn_time: str = "", genesis_hash: bytes = b"genesis hash", **more: object
    ) -> str:
        """Path of a file with which the CLI creates a consumer chain; `more` are further parts of its order."""
        order: dict[str, Any] = {
            "chain_id": chain_id,
            "metadata": {"name": f"name of {chain_id}", "description": "a test", "metadata": "{}"},
            "allowlisted_reward_denoms": {"denoms": []},
        }
        if spawn_time:
            order["initialization_parameters"] = initialization(chain_id, spawn_time, genesis_hash)
            order["power_shaping_parameters"] = {"top_N": 0, "allow_inactive_vals": False}
        order |= more
        path = self.folder / "order.json"
        path.write_text(json.dumps(order))
        return str(path)

    def move_spawn(self, consumer_id: str, chain_id: str, spawn_time: str, genesis_hash: bytes) -> None:
        """Give a chain another spawn time (RFC 3339); one in the past launches it."""
        changed = initialization(chain_id, spawn_time, genesis_hash)
        self.update_consumer(consumer_id, initialization_parameters=changed)

    def update_consumer(self, consumer_id: str, owner: str = "charlie", **changes: object) -> None:
        """Change parts of a chain's order, such as `infraction_parameters`."""
        path = self.folder / "update.json"
        path.write_text(json.dumps({"consumer_id": consumer_id, **changes}))
        self.send(owner, "provider", "update-consumer", str(path))

    def phase(self, consumer_id: str) -> str:
        """Phase of a consumer chain, without its prefix."""
        chain = self.ask(f"/interchain_security/ccv/provider/consumer_chain/{consumer_id}")
        return str(chain["phase"]).removeprefix("CONSUMER_PHASE_")


def _run(program: pathlib.Path, home: pathlib.Path, *arguments: str, given: str | None = None) -> str:
    command = [str(program), *arguments, "--home", str(home)]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr[-2000:]}")
    return done.stdout or done.stderr


def _recipe(program: pathlib.Path) -> cache.Recipe:
    """Homes and operators of the chain, as the program's own commands make them."""
    found = program.stat()
    made_by = f"{program.resolve()} {found.st_size} {found.st_mtime_ns}"
    ingredients = (pathlib.Path(__file__).read_bytes(), made_by)
    return cache.Recipe("test-chain", "1", ingredients, lambda folder: _make(program, folder), 10)


def _make(program: pathlib.Path, folder: pathlib.Path) -> None:
    first = folder / "alice"
    keyring = ("--keyring-backend", "test", "--keyring-dir", str(first))
    operators = []
    for name in TOKENS:
        _run(program, folder / name, "init", name, "--chain-id", CHAIN_ID)
        made = json.loads(_run(program, first, "keys", "add", name, "--output", "json", *keyring))
        valoper = _run(program, first, "keys", "show", name, "--bech", "val", "-a", *keyring).strip()
        operators.append(Operator(name, made["mnemonic"], made["address"], valoper))
        _run(program, first, "genesis", "add-genesis-account", made["address"], f"{SPARE}{DENOM}")
    gentxs = first / "config" / "gentx"
    gentxs.mkdir()
    for name, tokens in TOKENS.items():
        pubkey = _run(program, folder / name, "comet", "show-validator").strip()
        _run(
            program, first, "genesis", "gentx", name, f"{tokens}{DENOM}", "--chain-id", CHAIN_ID, *keyring,
            "--moniker", name, "--details", DETAILS[name], "--pubkey", pubkey,
            "--output-document", str(gentxs / f"{name}.json"),
        )  # fmt: skip
    _run(program, first, "genesis", "collect-gentxs")
    path = first / "config" / "genesis.json"
    genesis = json.loads(path.read_text())
    state = genesis["app_state"]
    state["provider"]["params"]["blocks_per_epoch"] = "5"
    state["staking"]["params"]["unbonding_time"] = "20s"
    state["gov"]["params"] |= {"voting_period": "10s", "expedited_voting_period": "5s"}
    # Two of the three validators never sign: they must stay bonded.
    state["slashing"]["params"]["signed_blocks_window"] = "100000"
    path.write_text(json.dumps(genesis))
    (folder / OPERATORS).write_text(json.dumps([dataclasses.asdict(one) for one in operators]))


def initialization(chain_id: str, spawn_time: str, genesis_hash: bytes = b"genesis hash") -> dict[str, Any]:
    """Initialization parameters as the CLI reads them; durations are nanoseconds."""
    second = 1_000_000_000
    return {
        "initial_height": {"revision_number": int(chain_id.rpartition("-")[2]), "revision_height": 1},
        "genesis_hash": base64.b64encode(genesis_hash).decode(),
        "binary_hash": "YmluYXJ5IGhhc2g=",
        "spawn_time": spawn_time,
        "unbonding_period": 15 * second,
        "ccv_timeout_period": 259_200 * second,
        "transfer_timeout_period": 3_600 * second,
        "consumer_redistribution_fraction": "0.75",
        "blocks_per_distribution_transmission": 1000,
        "historical_entries": 10000,
        "distribution_transmission_channel": "",
        "connection_id": "",
    }


def penalty(slash_fraction: str, jail_duration: int, tombstone: bool = False) -> dict[str, Any]:
    """One of the infraction parameters as the CLI reads them; the duration is in nanoseconds."""
    return {"slash_fraction": slash_fraction, "jail_duration": jail_duration, "tombstone": tombstone}


def running(folder: pathlib.Path, program: pathlib.Path | None = None, **options: Any) -> Iterator[Node]:
    """A running node, for a fixture; of `binary()` when no program is given."""
    program = program or binary()
    if program is None:
        raise FileNotFoundError("interchain-security-pd is not built: set ICS_TEST_PD to its path")
    node = Node(folder, program, **options)
    try:
        node.start()
        yield node
    finally:
        node.stop()
