"""The operators of alice, bob and charlie: they run the real commands, and only those."""

import itertools
import json
import os
import pathlib
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from devnet import identities, places, plan
from ics import names
from ics.cluster.api import kinds
from ics.keys import derivation
from tests.network import diary, kube, warm

PROCESSES = warm.Server()
OWN = ("ICS_CACHE", "ICS_DEVNET_STATE")
"""Variables of the local network itself; any other with the prefix would be a setting of the stack."""


@dataclass(frozen=True)
class Run:
    """How one command ended."""

    code: int
    out: str
    err: str
    seconds: float

    def __str__(self) -> str:
        """For the diary: how it ended, and what a pass has changed."""
        changed = self.json["changes"] if self.out.startswith('{"') and "changes" in self.json else ()
        done = [f"{one['action']} {one['kind']} {one['namespace']}/{one['name']}" for one in changed]
        shown = [*done[:4], f"{len(done) - 4} more"] if len(done) > 5 else done
        ended = f"exit code {self.code}, {self.seconds:.1f} s"
        return "; ".join([ended, *shown, *self.err.strip().splitlines()])

    @property
    def json(self) -> Any:
        """What it printed; the command must have come that far."""
        assert self.out, f"it printed nothing; exit code {self.code}, stderr: {self.err}"
        return json.loads(self.out)

    @property
    def complaint(self) -> str:
        """The one line on stderr; a traceback or a second line is a mistake of the product."""
        lines = self.err.strip().splitlines()
        assert len(lines) == 1, f"not one line: {self.err}"
        assert lines[0].startswith("ics: "), lines[0]
        return lines[0].removeprefix("ics: ")

    @property
    def writes(self) -> list[str]:
        """The changes that a pass says it made, as `action Kind namespace/name`."""
        return [f"{c['action']} {c['kind']} {c['namespace']}/{c['name']}" for c in self.json["changes"]]


class Operator:
    """The operator of one validator of the local network."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.host = plan.host(name)
        self.kube = kube.Kube(self.host)
        self.validator = identities.validator(self.host)

    # -- commands ----------------------------------------------------------------------------------

    def reconcile(self, *flags: str, project: pathlib.Path | None = None) -> Run:
        """One pass as cron runs it, of the checkout or of another project."""
        program = (project or places.CHECKOUT) / "reconcile.py"
        return self._run([str(program), "--stack", self.name, "--json", *flags])

    def once(self, *flags: str) -> Run:
        """One pass that must come to its end without trouble."""
        done = self.reconcile("--once", *flags)
        assert done.code == 0, f"{self.name}: exit code {done.code}: {done.err}"
        return done

    def ics(
        self,
        *command: str,
        project: pathlib.Path | None = None,
        module: Sequence[str] = ("ics.cli.__main__",),
    ) -> Run:
        """`ics …` on this operator's stack, or on the one that a flag of the command names.

        Args:
            command: the command and its flags.
            project: another one than the checkout.
            module: what runs the command, with arguments of its own before it.
        """
        where = ["--stack", self.name, "--project", str(project or places.CHECKOUT), "--json"]
        words = list(itertools.takewhile(lambda word: not word.startswith("-"), command))
        return self._run(["-m", *module, *words, *where, *command[len(words) :]])

    def plain(self, *command: str) -> Run:
        """What a command of this validator's prints for people, or with --json for programs."""
        where = ["--stack", self.name, "--project", str(places.CHECKOUT)]
        return self._run(["-m", "ics.cli.__main__", *command, *where])

    def hermes(self, consumer_id: str, project: pathlib.Path | None = None) -> Run:
        """`ics hermes status CONSUMER_ID` on this operator's stack."""
        return self.ics("hermes", "status", consumer_id, project=project)

    def show(self, *command: str) -> Run:
        """`ics show …`, which needs no stack."""
        return self._run(["-m", "ics.cli.__main__", "show", *command, "--json"])

    def kubectl(self, *words: str) -> str:
        """What kubectl prints, run as the cluster's admin."""
        program, access = places.credentials("bin") / "kubectl", places.credentials(self.name)
        return subprocess.run(
            [program, "--kubeconfig", access / "kubeconfig-admin", *words],
            check=True,
            text=True,
            stdout=subprocess.PIPE,
        ).stdout

    def _run(self, arguments: Sequence[str]) -> Run:
        began = time.monotonic()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ICS_") or k in OWN}
        code, out, err = PROCESSES.run(arguments, places.CHECKOUT, environment, 300.0)
        assert "Traceback" not in err, err
        run = Run(code, out, err, time.monotonic() - began)
        diary.note(self.name, f"{_typed(arguments)}: {run}")
        return run

    # -- status ------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """What `ics status --json` says."""
        done = self.ics("status")
        assert done.code == 0, done.err
        found: dict[str, Any] = done.json
        return found

    def chain(self, consumer_id: str, status: dict[str, Any] | None = None) -> dict[str, Any]:
        """The status of one chain; empty when there is none."""
        chains = (status or self.status())["chains"]
        return next((chain for chain in chains if chain["consumer_id"] == consumer_id), {})

    def settled(self, *flags: str, tries: int = 10, quiet: int = 1) -> dict[str, Any]:
        """Passes until so many in a row change nothing: what other stories left behind is put in order.

        Returns:
            the status that the last of them reported.
        """
        still = 0
        for _ in range(tries):
            done = self.once(*flags)
            still = 0 if done.writes else still + 1
            if still == quiet:
                status: dict[str, Any] = done.json["status"]
                return status
        raise AssertionError(f"{self.name}: {tries} passes, and no {quiet} in a row that changed nothing")

    # -- what others know of this operator ---------------------------------------------------------

    def audit(self) -> kube.Audit:
        """Counts the writes of this operator's user from now on."""
        return kube.Audit.begin(self.host, f"ics:{self.name}")

    @property
    def account(self) -> str:
        """The account that signs the validator's transactions."""
        return self.validator.account.address(identities.PREFIX)

    def transactions(self, since: int = 0) -> list[dict[str, Any]]:
        """The transactions in the provider's blocks that this account signed, as the provider has them.

        Args:
            since: leave out that many, of earlier.
        """
        query = {"query": f"message.sender='{self.account}'", "pagination.limit": "100"}
        answer = httpx.get(
            f"{plan.HOSTS[0].rest}/cosmos/tx/v1beta1/txs", params=query, timeout=10, trust_env=False
        )
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["txs"]
        return found[since:]

    def joined(self) -> list[str]:
        """Consumer ids of the opt-ins among them, one for each transaction."""
        return opt_ins(self.transactions())

    def key_of(self, consumer_id: str) -> derivation.ConsensusKey:
        """The consumer key of the place that is in use here, as the seed gives it."""
        return self.key(consumer_id, self.places(consumer_id)[-1])

    def places(self, consumer_id: str) -> list[str]:
        """Ids of all places on record here, the one in use last."""
        labels = {
            names.COMPONENT: names.CONSENSUS_KEY,
            names.CONSUMER: consumer_id,
            names.VALIDATOR: self.name,
        }
        notes = [item["metadata"]["annotations"] for item in self.kube.all(kinds.SECRET, **labels)]
        assert notes, f"{self.name} has no key of consumer {consumer_id}"
        ordered = sorted(notes, key=lambda note: (note.get(names.RETIRED) != "true", note[names.PLACE_SINCE]))
        return [note[names.PLACE_ID] for note in ordered]

    def key(self, consumer_id: str, place_id: str) -> derivation.ConsensusKey:
        """The consumer key of one place."""
        return derivation.derive_consensus_key(
            self.validator.seed, plan.PROVIDER_CHAIN_ID, consumer_id, place_id
        )

    def jobs(self, namespace: str) -> list[str]:
        """Names of the relayer's Jobs of one chain."""
        found = self.kube.all(kinds.JOB, namespace, **{names.COMPONENT: names.RELAYER_STEP})
        return [item["metadata"]["name"] for item in found]

    def summary(self, consumer_id: str) -> dict[str, Any]:
        """A chain's line in the provider's own list."""
        url = f"{plan.HOSTS[0].rest}/interchain_security/ccv/provider/consumer_chains/0"
        answer = httpx.get(url, params={"pagination.limit": "500"}, timeout=10, trust_env=False)
        answer.raise_for_status()
        return next(one for one in answer.json()["chains"] if one["consumer_id"] == consumer_id)

    def address_of(self, consumer_id: str) -> str:
        """Its address as CometBFT shows it."""
        return self.key_of(consumer_id).address.hex().upper()


def _typed(arguments: Sequence[str]) -> str:
    """A command as its operator would type it, without the flags that only this suite needs."""
    shown = [one for one in arguments if one not in ("-m", "--json", "--project", str(places.CHECKOUT))]
    return " ".join(shown).replace("ics.cli.__main__", "ics").replace(f"{places.CHECKOUT}/", "")


def opt_ins(transactions: Sequence[Mapping[str, Any]]) -> list[str]:
    """Consumer ids of the opt-ins among these, one for each."""
    messages = [message for tx in transactions for message in tx["body"]["messages"]]
    return [m["consumer_id"] for m in messages if m["@type"].endswith(".MsgOptIn")]


def worries(chain: dict[str, Any]) -> list[str]:
    """What a chain's status warns of; what it only tells (a channel that is being opened) is left aside."""
    return [f"{c['reason']}: {c['message']}" for c in chain["conditions"] if c["severity"] != "info"]


class Cron:
    """Runs the operators' passes, each after a pause, like three crontabs.

    The pause is two seconds, or as long as the pass took: what the passes wait for needs the processors as well.
    """

    PAUSE = 2.0

    def __init__(
        self, operators: Sequence[Operator], *flags: str, project: pathlib.Path | None = None
    ) -> None:
        self._flags, self._project = flags, project
        self.runs: dict[str, list[Run]] = {operator.name: [] for operator in operators}
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._repeat, args=(one,)) for one in operators]

    def _repeat(self, operator: Operator) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            self.runs[operator.name].append(operator.reconcile("--once", *self._flags, project=self._project))
            self._over.wait(max(self.PAUSE, time.monotonic() - began))

    def __enter__(self) -> "Cron":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def last(self, name: str) -> dict[str, Any]:
        """The status that an operator's last pass reported; empty before the first."""
        done = [run for run in self.runs[name] if run.out]
        status: dict[str, Any] = done[-1].json["status"] if done else {}
        return status

    def complaints(self) -> list[str]:
        """All that the passes had to complain about."""
        return [f"{name}: {run.err.strip()}" for name, runs in self.runs.items() for run in runs if run.err]
