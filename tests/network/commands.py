"""Runs the command `ics` against a provider chain of one real node, with stack files of its own."""

import datetime
import json
import os
import pathlib
from dataclasses import dataclass
from typing import Any

import yaml

from ics.cli import __main__ as commands
from ics.config import settings
from ics.keys import derivation
from ics.provider.tx import signers, transactions
from tests.network import provider_node


@dataclass(frozen=True)
class Said:
    """What a command printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Operator:
    """Runs `ics` with stack files of its own."""

    def __init__(self, node: provider_node.Node, root: pathlib.Path, capsys: Any) -> None:
        self.node, self.root, self._capsys = node, root, capsys
        (root / "stacks").mkdir()
        (root / "Pulumi.yaml").touch()
        for name, operator in node.operators.items():
            self.secret(name, operator.mnemonic)
            self.stack(f"{name}-as-owner", account={"file": name})
            validator = {"validator": name, "operator_address": operator.operator_address}
            self.stack(name, account={"file": name}, seed={"file": "none"}, **validator)

    def secret(self, name: str, text: str) -> None:
        path = self.root / name
        path.write_text(text)
        os.chmod(path, 0o600)

    def stack(self, name: str, **settings: Any) -> None:
        node = self.node
        provider = {"chain_id": "provider-1", "rest": [node.rest], "rpc": [node.rpc], "grpc": [node.grpc]}
        values = {f"ics:{key}": value for key, value in {"provider": provider, **settings}.items()}
        (self.root / "stacks" / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump({"config": values}))

    def run(self, stack: str, *words: str) -> Said:
        self._capsys.readouterr()
        code = commands.main([*words, "--stack", stack, "--project", str(self.root)])
        printed = self._capsys.readouterr()
        return Said(code, printed.out, printed.err)

    def ordered(self, stack: str, *words: str) -> Any:
        """The JSON of a command that must do."""
        said = self.run(stack, *words, "--json")
        assert said.code == 0, said.err
        return said.json

    def refused(self, stack: str, *words: str, code: int = 2) -> str:
        """What a command says that must not do."""
        said = self.run(stack, *words)
        assert said.code == code, said.out
        return said.err.strip()

    def sender(self, signer: derivation.Account, authority: signers.TxAuthority) -> transactions.Transactions:
        node = self.node
        provider = settings.ProviderSettings.model_validate(
            dict(chain_id="provider-1", rest=(node.rest,), rpc=(node.rpc,), grpc=(node.grpc,))
        )
        return transactions.Transactions(
            provider,
            authority,
            signer,
            lambda: datetime.datetime.now(datetime.UTC),
            provider_node.least_price,
        )
