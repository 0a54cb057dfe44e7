"""Journal of an account's transactions in a file, with a lock, for commands that have no cluster.

It belongs to the account and the chain, because they have the sequence: two commands of one user on one host never
send at the same time, whatever stack they use.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import pathlib
import re
import time
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TextIO

from ics import errors
from ics.cosmos import coins
from ics.provider.tx import messages

_POLL_SECONDS = 0.5
_LONGEST_HOLDER = 100


def folder_of(environment: Mapping[str, str]) -> pathlib.Path:
    """Return the folder of all journals of this user: `$XDG_STATE_HOME/ics-operator`, by default in ~/.local/state."""
    state = environment.get("XDG_STATE_HOME")
    root = pathlib.Path(state) if state else pathlib.Path(environment.get("HOME", "/"), ".local", "state")
    return root / "ics-operator" / "transactions"


@contextlib.asynccontextmanager
async def opened(
    folder: pathlib.Path,
    chain_id: str,
    address: str,
    patience: float,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> "AsyncIterator[JournalFile]":
    """Open and lock an account's journal for as long as the context lasts.

    Args:
        folder: of all journals; created if it does not exist.
        chain_id: of the provider.
        address: of the account.
        patience: seconds to wait for another process.
        sleep: waits for a number of seconds.
        monotonic: returns the seconds of a monotonic clock.

    Raises:
        Transient: another process sends with this account; the message names it.
        SettingsError: the folder is not writable, or the journal is malformed.
    """
    path = folder / f"{urllib.parse.quote(chain_id, safe='')}-{address}.json"
    with contextlib.ExitStack() as closing:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = closing.enter_context(path.with_suffix(".lock").open("a+", errors="replace"))
        except OSError as error:
            raise _unwritable(path, error) from error
        deadline = monotonic() + patience
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if monotonic() >= deadline:
                    raise errors.Transient(
                        f"{_holder(lock)} is sending with {address} on {chain_id}; wait until it has ended, or stop it"
                    ) from None
            except OSError as error:  # a file system without locks
                raise _unwritable(path, error) from error
            await sleep(_POLL_SECONDS)
        with contextlib.suppress(OSError):  # a full disk: whoever waits learns less
            os.ftruncate(lock.fileno(), 0)
            os.write(lock.fileno(), f"process {os.getpid()}".encode())
        yield JournalFile(path)


def _holder(lock: TextIO) -> str:
    """Return the process that holds the lock, as it wrote itself down."""
    lock.seek(0)
    found = re.fullmatch(r"process [0-9]{1,10}", lock.read(_LONGEST_HOLDER).strip())
    return found[0] if found else "another process"


class JournalFile:
    """The journal of one account; see `ics.provider.tx.transactions.Journal`."""

    def __init__(self, path: pathlib.Path) -> None:
        """Read nothing; the caller holds the lock of this path."""
        self._path = path

    async def begin(
        self,
        tx_hash: str,
        timeout_height: int,
        transaction: messages.Transaction,
        order: str = "",
        fee: coins.Coin | None = None,
    ) -> None:
        """Record a transaction before its broadcast; what it costs is recorded with the Lease only."""
        state = self._read()
        entry = [tx_hash, timeout_height]
        orders = state.get("orders", {}) | ({order: entry} if order else {})
        self._write({"transaction": entry, "orders": orders})

    async def pending(self) -> tuple[str, int] | None:
        """Return hash and timeout height of the last transaction, or None if there was none."""
        return _pair(self._read().get("transaction"))

    async def ordered(self, order: str) -> tuple[str, int] | None:
        """Return hash and timeout height of an order whose result was not seen yet, or None."""
        return _pair(self._read().get("orders", {}).get(order))

    async def finish(self, order: str) -> None:
        """Forget an order whose result its user has seen."""
        state = self._read()
        if state.get("orders", {}).pop(order, None) is not None:
            self._write(state)

    def _read(self) -> dict[str, Any]:
        try:
            state = json.loads(self._path.read_text())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise _unwritable(self._path, error) from error
        except (ValueError, RecursionError):
            state = None
        if not _is_state(state):
            raise errors.SettingsError(
                f"{self._path}: malformed, so it is not known what earlier commands sent; remove it after a look at the"
                " account's transactions"
            )
        result: dict[str, Any] = state
        return result

    def _write(self, state: Mapping[str, Any]) -> None:
        fresh = self._path.with_suffix(".new")
        try:
            with fresh.open("w") as file:
                json.dump(state, file)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError as error:
            raise _unwritable(self._path, error) from error


def _is_state(state: Any) -> bool:
    if not isinstance(state, dict) or not isinstance(state.get("orders", {}), dict):
        return False
    entries = [*([state["transaction"]] if "transaction" in state else []), *state.get("orders", {}).values()]
    return all(
        isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str) and type(entry[1]) is int
        for entry in entries
    )


def _pair(entry: list[Any] | None) -> tuple[str, int] | None:
    return None if entry is None else (entry[0], entry[1])


def _unwritable(path: pathlib.Path, error: OSError) -> errors.SettingsError:
    return errors.SettingsError(
        f"{path}: {error.strerror}: the journal of transactions cannot be kept; set XDG_STATE_HOME to a writable folder"
        " that outlives this command"
    )
