"""The program of a pass, which Pulumi runs in the pass's own process.

By hand, Pulumi's language host asks pip for the libraries and starts another Python for the program: two seconds of a
processor, for objects that the pass has rendered already. A pass gives the CLI the address of a program that runs, as
the inline programs of Pulumi's Automation API do; its server is used. The address is a socket in the session's private
folder: whoever reaches it could ask for the objects, and with them for the keys.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path

import grpc
import pulumi
from pulumi.automation._server import LanguageServer
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import language_pb2_grpc

from ics import engines, errors

Program = Callable[[], None]
"""Registers resources, in a thread with an event loop of Pulumi's library."""

_LONGEST_PATH = 100
"""Bytes of a socket's path, of 104 to 108 that systems allow."""
_THREADS = 4


@contextlib.contextmanager
def serve(program: Program, folder: Path) -> Iterator[str]:
    """Let Pulumi run a program in this process, each time the CLI asks for it.

    Args:
        program: registers the resources.
        folder: a private folder, for the socket.

    Yields:
        The value of the CLI's option `--client`.

    Raises:
        EngineUnusable: the folder's path is too long for a socket.
    """
    path = folder / "program"
    if len(str(path).encode()) > _LONGEST_PATH:
        raise engines.EngineUnusable(
            f"TMPDIR: {folder.parent} is too long for the path of a socket; set one of at most"
            f" {_LONGEST_PATH - len(str(path).encode()) + len(str(folder.parent).encode())} characters"
        )
    logger = logging.getLogger("asyncio")
    level = logger.level
    pool = futures.ThreadPoolExecutor(_THREADS)
    server = grpc.server(pool, options=_GRPC_CHANNEL_OPTIONS)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(
        LanguageServer(_with_short_errors(program)), server
    )
    server.add_insecure_port(f"unix://{path}")
    server.start()
    try:
        yield f"unix://{path}"
    finally:
        server.stop(None).wait()
        pool.shutdown(wait=False)  # a program whose CLI was killed ends with its next request
        logger.setLevel(level)  # the library silences it
        path.unlink(missing_ok=True)


def _with_short_errors(program: Program) -> Program:
    """Return a program whose errors are one line, as everywhere, instead of a traceback."""

    def run() -> None:
        try:
            program()
        except Exception as error:
            raise pulumi.RunError(str(errors.of_chain(error))) from error

    return run
