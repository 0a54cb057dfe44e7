"""Runs Python commands in processes that have the product loaded already.

An operator's day is some hundred commands, and half of what each costs is the import of the same modules. A server
imports them once, and each command is a fork of it: a process of its own, with its own arguments, environment,
working folder, output and exit code. What measures how long a command takes must start it as its users do.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import pathlib
import pkgutil
import runpy
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from devnet import places
from ics.cli import arguments, commands

_LONGEST_ORDER = 1 << 20
_LATER = (
    "Crypto.Hash.RIPEMD160",
    "anyio._backends._asyncio",
    "bech32",
    "bip32",
    "certifi",
    "coincurve",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "cryptography.hazmat.primitives.kdf.hkdf",
    "encodings.idna",
    "httpcore",
    "ics.cli.parser",
    "ics.provider.proto.tx_pb2",
    "ics.reconciler.wiring",
    "mnemonic",
    "psutil",
)
"""What a pass loads once it needs it: half of what an idle one costs. gRPC must not be loaded before a fork."""


SHARED = "WARM_SERVER_OF_THE_RUN"
"""The variable with the address of a server that is there already: one for all stories of a run."""


class Server:
    """Starts the server with its first command, unless there is one; it ends with this process."""

    def __init__(self, *, has_own_session: bool = False) -> None:
        """Start nothing yet.

        Args:
            has_own_session: a signal from the keyboard does not reach it.
        """
        self._lock = threading.Lock()
        self._has_own_session = has_own_session
        self._address: str | None = None

    def run(
        self, arguments: Sequence[str], folder: pathlib.Path, environment: Mapping[str, str], seconds: float
    ) -> tuple[int, str, str]:
        """Run what follows `python` on a command line, to its end.

        Args:
            arguments: `-m MODULE …` or `FILE …`.
            folder: the working folder.
            environment: all of it.
            seconds: the deadline.

        Returns:
            exit code, output, and errors.

        Raises:
            TimeoutError: it did not end in time; it has been killed.
        """
        with (
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as errors,
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection,
        ):
            connection.connect(self.started())
            order = {"arguments": list(arguments), "folder": str(folder), "environment": dict(environment)}
            socket.send_fds(connection, [b"."], [out.fileno(), errors.fileno()])
            connection.sendall(json.dumps(order).encode())
            connection.shutdown(socket.SHUT_WR)
            with connection.makefile("r") as answers:
                process = int(answers.readline())
                connection.settimeout(seconds)
                try:
                    code = int(answers.readline())
                except TimeoutError:
                    os.kill(process, signal.SIGKILL)
                    raise
            texts = []
            for file in (out, errors):
                file.seek(0)
                texts.append(file.read().decode())
            return code, texts[0], texts[1]

    def command(self) -> str:
        """Return a command line of the shell that runs what follows it as `python` would, but warm."""
        client = pathlib.Path(__file__).with_name("warm_client.py")
        return shlex.join([sys.executable, "-IS", str(client), self.started()])

    def started(self) -> str:
        """Address of the server, which answers."""
        with self._lock:
            if self._address is None:
                self._address = os.environ.get(SHARED)
            if self._address is None:
                folder = tempfile.mkdtemp(prefix="ics-warm-")
                self._address = str(pathlib.Path(folder, "socket"))
                environment = {key: text for key, text in os.environ.items() if not key.startswith("ICS_")}
                process = subprocess.Popen(
                    [sys.executable, "-m", "tests.network.warm", self._address],
                    cwd=places.CHECKOUT,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    start_new_session=self._has_own_session,
                )
                assert process.stdout is not None
                assert process.stdout.readline() == b"ready\n"
                atexit.register(_end, process, folder)
            return self._address


def _end(process: subprocess.Popen[bytes], folder: str) -> None:
    process.terminate()
    process.wait()
    for path in (pathlib.Path(folder, "socket"), pathlib.Path(folder)):
        path.unlink() if path.is_socket() else path.rmdir()


def main() -> NoReturn:
    """The server."""
    for package in (arguments, commands):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    for name in _LATER:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no process that watches over a command is waited for
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(sys.argv[1])
    listening.listen(64)
    print("ready", flush=True)
    while True:
        connection, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            _watch(connection)
        connection.close()


def _watch(connection: socket.socket) -> NoReturn:
    """Runs one command in a fork of this one, and answers its id and then its exit code, a line each."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, descriptors, _, _ = socket.recv_fds(connection, 1, 2)
    text = b""
    while part := connection.recv(_LONGEST_ORDER):
        text += part
    order = json.loads(text)
    child = os.fork()
    if child == 0:
        connection.close()
        _become(order, descriptors)
    connection.sendall(f"{child}\n".encode())
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(OSError):  # the order may have been given up
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _become(order: Mapping[str, Any], descriptors: Sequence[int]) -> NoReturn:
    for target, descriptor in enumerate(descriptors, 1):
        os.dup2(descriptor, target)
        os.close(descriptor)
    # The server's own streams remember that they wrote to another file.
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    arguments = order["arguments"]
    code: Any = 0
    try:
        if arguments[0] == "-m":
            sys.argv = arguments[1:]
            sys.modules.pop(arguments[1], None)
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = arguments
            sys.path.insert(0, str(pathlib.Path(arguments[0]).parent))
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        print(code, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    main()
