"""Runs `ics` in a process that waits before it broadcasts its first transaction.

    python -m tests.network.held FOLDER ics-arguments…

It makes the file `about` when it has signed the transaction, waits for the file `go`, and makes the file `sent` when
the mempool has answered. So it is certain what others had sent, and had not, when it decided.
"""

import pathlib
import sys
import time
from typing import Any

from ics.cli import __main__ as commands
from ics.provider.tx import grpc

PATIENCE = 120.0


def hold(folder: pathlib.Path) -> None:
    """Put the wait between the product and the chain."""
    broadcast = grpc.Ledger.broadcast

    def wait(self: grpc.Ledger, signed: grpc.Signed) -> Any:
        (folder / "about").touch()
        deadline = time.monotonic() + PATIENCE
        while not (folder / "go").exists():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{folder / 'go'} was not made within {PATIENCE:.0f} s")
            time.sleep(0.05)
        verdict = broadcast(self, signed)
        (folder / "sent").touch()
        return verdict

    grpc.Ledger.broadcast = wait  # type: ignore[method-assign]


def main() -> int:
    """Run the command."""
    folder, *arguments = sys.argv[1:]
    hold(pathlib.Path(folder))
    return commands.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
