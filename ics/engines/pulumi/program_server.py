"""The program of a pass, which Pulumi runs in the pass's own process.

By hand, Pulumi's language host asks pip for the libraries and starts another Python for the program: two seconds of a
processor, for objects that the pass has rendered already. A pass gives the CLI the address of a program that runs, as
the inline programs of Pulumi's Automation API do. The address is a socket in the session's private folder: whoever
reaches it could ask for the objects, and with them for the keys.
"""

import asyncio
import contextlib
import contextvars
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pulumi
from pulumi import runtime
from pulumi.automation._server import LanguageServer
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import language_pb2, language_pb2_grpc

from ics import engines, errors

Program = Callable[[], None]
"""Registers resources, in a thread with an event loop of Pulumi's library."""

_SOCKET = "run"
_LONGEST_PATH = 103
"""Bytes of a socket's path; Linux allows 107."""
_THREADS = 4
_REQUESTS_PER_STEP = 4
"""Requests that wait for an answer of Pulumi, per step that it takes at a time; the library's own ratio."""


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
    path = folder / _SOCKET
    excess = len(str(path).encode()) - _LONGEST_PATH
    if excess > 0:
        raise engines.EngineUnusable(
            f"TMPDIR: {folder.parent} is too long for the path of a socket; set one that is at least {excess} bytes"
            " shorter, such as /tmp"
        )
    pool = futures.ThreadPoolExecutor(_THREADS)
    server = grpc.server(pool, options=_GRPC_CHANNEL_OPTIONS)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(_Server(program), server)
    server.add_insecure_port(f"unix://{path}")
    server.start()
    try:
        yield f"unix://{path}"
    finally:
        server.stop(None).wait()
        pool.shutdown(wait=False)  # a program whose CLI was killed ends with its next request
        path.unlink(missing_ok=True)


class _Server(LanguageServer):
    """The library's server, whose runs leave a process that stays as it was.

    The library's own run leaves event loops open after an error, and turns off the log of all other tasks.
    """

    def Run(self, request: Any, context: Any) -> Any:
        """Run the program once; its error is one line, as everywhere."""
        error = contextvars.copy_context().run(self._run, request)
        return language_pb2.RunResponse(error=error)

    def _run(self, request: Any) -> str:
        runtime.reset_options(
            project=request.project,
            stack=request.stack,
            organization=request.organization or "organization",
            parallel=request.parallel,
            preview=request.dryRun,
            monitor_address=request.monitor_address,
            engine_address=request.args[0] if request.args else "",
        )
        try:
            with asyncio.Runner() as runner:
                loop = runner.get_loop()
                loop.set_exception_handler(_end_run)
                loop.set_default_executor(
                    futures.ThreadPoolExecutor(max(request.parallel, 1) * _REQUESTS_PER_STEP)
                )
                runner.run(runtime.run_in_stack(self.program))
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNAVAILABLE:  # Pulumi is ending, and says why on its own
                return ""
            return _report(error.details() or str(error.code()))
        except pulumi.RunError as error:
            return _report(str(error))
        except Exception as error:
            return _report(str(errors.of_chain(error)))
        return ""


def _end_run(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Handle an error of a task that the program does not await: the CLI knows that of a resource already."""
    if isinstance(context.get("exception"), grpc.RpcError):
        loop.stop()


def _report(text: str) -> str:
    pulumi.log.error(text)
    return text
