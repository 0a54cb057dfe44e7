"""The program of a pass, asked for as the CLI asks for it."""

import asyncio
import logging
import pathlib
import tempfile
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
import pulumi
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import (
    engine_pb2_grpc,
    language_pb2,
    language_pb2_grpc,
    resource_pb2,
    resource_pb2_grpc,
)

from ics import engines, errors
from ics.engines.pulumi import program_server


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """Stands for the CLI: it registers what the program declares."""

    def __init__(self) -> None:
        self.registered: list[str] = []

    def SupportsFeature(self, request: Any, _: Any) -> Any:
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id == "resourceReferences")

    def GetDeploymentInfo(self, *_: Any) -> Any:
        return resource_pb2.DeploymentInfo()

    def RegisterResource(self, request: Any, _: Any) -> Any:
        self.registered.append(request.name)
        return resource_pb2.RegisterResourceResponse(urn=f"urn::{request.name}", object=request.object)

    def RegisterResourceOutputs(self, *_: Any) -> Any:
        return empty_pb2.Empty()

    def SignalAndWaitForShutdown(self, *_: Any) -> Any:
        return empty_pb2.Empty()


class Engine(engine_pb2_grpc.EngineServicer):
    """Takes what the program logs."""

    def __init__(self) -> None:
        self.logged: list[str] = []

    def Log(self, request: Any, _: Any) -> Any:
        self.logged.append(request.message)
        return empty_pb2.Empty()


class Cli:
    """Asks a program to run."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.monitor, self.engine = Monitor(), Engine()

    def run(self, program_address: str) -> str:
        """Answer the error of one run."""
        request = language_pb2.RunRequest(
            project="ics", stack="alice", monitor_address=self.address, args=[self.address], parallel=1
        )
        with grpc.insecure_channel(program_address) as channel:
            stub: Any = language_pb2_grpc.LanguageRuntimeStub(channel)
            return str(stub.Run(request, timeout=30).error)


@pytest.fixture
def cli() -> Iterator[Cli]:
    with futures.ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool)
        port = server.add_insecure_port("127.0.0.1:0")
        found = Cli(f"127.0.0.1:{port}")
        resource_pb2_grpc.add_ResourceMonitorServicer_to_server(found.monitor, server)
        engine_pb2_grpc.add_EngineServicer_to_server(found.engine, server)
        server.start()
        yield found
        server.stop(None).wait()


@pytest.fixture
def folder() -> Iterator[pathlib.Path]:
    with tempfile.TemporaryDirectory() as name:
        yield pathlib.Path(name)


def declare() -> None:
    pulumi.ComponentResource("test:index:Chain", "consumer-1")


def test_each_run_declares_the_resources_of_the_program(cli: Cli, folder: pathlib.Path) -> None:
    with program_server.serve(declare, folder) as address:
        assert cli.run(address) == ""
        assert cli.run(address) == ""
    assert cli.monitor.registered.count("consumer-1") == 2
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(errors.Permanent("ics:seed: missing"), "ics:seed: missing", id="known"),
        pytest.param(KeyError("spec"), "unexpected KeyError: 'spec'", id="unexpected"),
    ],
)
def test_error_of_the_program_is_one_line(
    cli: Cli, folder: pathlib.Path, error: Exception, expected: str
) -> None:
    def fail() -> None:
        raise error

    with program_server.serve(fail, folder) as address:
        assert cli.run(address) == expected
    assert expected in cli.engine.logged


left: list[asyncio.Future[None]] = []
"""Tasks that have not ended with their program."""


def leave_tasks_behind() -> None:
    """End while a task of the program has an error of its own, as after the CLI has refused a resource."""

    async def fail_when_cancelled() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise ValueError("refused") from None

    left.append(asyncio.ensure_future(fail_when_cancelled()))
    raise pulumi.RunError("refused")


@pytest.mark.parametrize("program", [declare, leave_tasks_behind])
def test_run_leaves_a_daemon_as_it_was(
    cli: Cli, folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch, program: program_server.Program
) -> None:
    made: list[asyncio.AbstractEventLoop] = []
    new_event_loop = asyncio.new_event_loop

    def recorded() -> asyncio.AbstractEventLoop:
        made.append(new_event_loop())
        return made[-1]

    monkeypatch.setattr(asyncio.events, "new_event_loop", recorded)
    monkeypatch.setattr(asyncio, "new_event_loop", recorded)
    level = logging.getLogger("asyncio").level
    with program_server.serve(program, folder) as address:
        cli.run(address)
    assert made
    assert all(loop.is_closed() for loop in made)
    assert logging.getLogger("asyncio").level == level


def test_program_is_reached_through_the_private_folder_only(folder: pathlib.Path) -> None:
    with program_server.serve(declare, folder) as address:
        assert address == f"unix://{folder}/run"
        assert (folder / "run").is_socket()


def test_too_long_path_of_temporary_files_is_named(tmp_path: pathlib.Path) -> None:
    deep = tmp_path / ("x" * 100) / "ics-pulumi-1-abcdefgh"
    with (
        pytest.raises(engines.EngineUnusable, match=r"TMPDIR: \S+ is too long .* at least \d+ bytes shorter"),
        program_server.serve(declare, deep),
    ):
        pass
