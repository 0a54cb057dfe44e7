"""The journal of an account's transactions where there is no cluster."""

import errno
import fcntl
import os
import pathlib
import subprocess
import sys

import pytest

from ics import errors, model
from ics.provider.tx import journal_file

UNJAIL = model.Unjail()


async def test_journal_outlives_process_and_forgets_finished_orders(tmp_path: pathlib.Path) -> None:
    async with journal_file.opened(tmp_path / "deep", "provider-1", "cosmos1x", 0) as first:
        assert (await first.pending(), await first.ordered("a")) == (None, None)
        await first.begin("AA", 120, UNJAIL, "a")
        await first.begin("BB", 130, UNJAIL, "b")
        await first.begin("CC", 140, UNJAIL)
    async with journal_file.opened(tmp_path / "deep", "provider-1", "cosmos1x", 0) as second:
        assert await second.pending() == ("CC", 140)
        assert (await second.ordered("a"), await second.ordered("b")) == (("AA", 120), ("BB", 130))
        await second.finish("a")
        assert (await second.ordered("a"), await second.ordered("b")) == (None, ("BB", 130))
    async with journal_file.opened(tmp_path / "deep", "provider-2", "cosmos1x", 0) as other:
        assert await other.pending() is None


async def test_second_process_waits_and_names_the_first(tmp_path: pathlib.Path) -> None:
    program = (
        "import asyncio, pathlib, sys\n"
        "from ics.provider.tx import journal_file\n"
        "async def main():\n"
        "    async with journal_file.opened(pathlib.Path(sys.argv[1]), 'provider-1', 'cosmos1x', 0):\n"
        "        print('open', flush=True)\n"
        "        sys.stdin.readline()\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(errors.Transient) as caught:
            async with journal_file.opened(tmp_path, "provider-1", "cosmos1x", 0):
                raise AssertionError("both have it")
        assert str(caught.value) == (
            f"process {holder.pid} is sending with cosmos1x on provider-1; wait until it has ended, or stop it"
        )

        async def end_the_holder(_: float) -> None:
            holder.kill()
            holder.wait()

        async with journal_file.opened(tmp_path, "provider-1", "cosmos1x", 60, end_the_holder):
            assert holder.returncode


async def test_malformed_journal_is_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "provider-1-cosmos1x.json").write_text('{"orders": {"a": 1}}')
    async with journal_file.opened(tmp_path, "provider-1", "cosmos1x", 0) as journal:
        with pytest.raises(errors.SettingsError, match=r"provider-1-cosmos1x.json: malformed"):
            await journal.ordered("a")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_folder_that_is_not_writable_is_named(tmp_path: pathlib.Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(errors.SettingsError, match="set XDG_STATE_HOME to a writable folder"):
        async with journal_file.opened(tmp_path / "in", "provider-1", "cosmos1x", 0):
            raise AssertionError("opened")


async def test_folder_that_is_a_file_is_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "in").touch()
    with pytest.raises(errors.SettingsError, match="set XDG_STATE_HOME to a writable folder"):
        async with journal_file.opened(tmp_path / "in", "provider-1", "cosmos1x", 0):
            raise AssertionError("opened")


def test_folder_follows_environment() -> None:
    assert str(journal_file.folder_of({"HOME": "/h"})) == "/h/.local/state/ics-operator/transactions"
    assert (
        str(journal_file.folder_of({"HOME": "/h", "XDG_STATE_HOME": "/s"})) == "/s/ics-operator/transactions"
    )


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"[" * 200_000, b'{"transaction": ["AA", 1e999]}', b"9" * 5000]
)
async def test_journal_that_is_not_one_is_named(tmp_path: pathlib.Path, content: bytes) -> None:
    (tmp_path / "provider-1-cosmos1x.json").write_bytes(content)
    async with journal_file.opened(tmp_path, "provider-1", "cosmos1x", 0) as journal:
        with pytest.raises(errors.SettingsError, match="malformed"):
            await journal.begin("AA", 120, UNJAIL)


async def test_full_disk_is_an_error_before_anything_is_sent(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    for name in ("write", "ftruncate", "fsync"):
        monkeypatch.setattr(os, name, full)
    async with journal_file.opened(tmp_path, "provider-1", "cosmos1x", 0) as journal:
        with pytest.raises(errors.SettingsError, match="No space left on device: the journal"):
            await journal.begin("AA", 120, UNJAIL)


async def test_folder_without_locks_is_named(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unlockable(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unlockable)
    with pytest.raises(errors.SettingsError, match="No locks available: the journal"):
        async with journal_file.opened(tmp_path, "provider-1", "cosmos1x", 0):
            raise AssertionError("it is not locked")


async def test_what_another_process_wrote_into_the_lock_is_not_shown(tmp_path: pathlib.Path) -> None:
    (tmp_path / "provider-1-cosmos1x.lock").write_bytes(b"\x1b[2Jrun: rm -rf \xff")
    with (tmp_path / "provider-1-cosmos1x.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(errors.Transient, match=r"^another process is sending"):
            async with journal_file.opened(tmp_path, "provider-1", "cosmos1x", 0):
                raise AssertionError("both have it")
