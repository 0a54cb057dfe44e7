"""Commands by hand wait for whoever sends with the same account, and keep a journal."""

import contextlib
import pathlib
from typing import Any, cast

import pytest

from ics import errors
from ics.cluster import tx_journal
from ics.cluster.api import client, kubeconfig, lease
from ics.config import settings
from ics.provider.tx import journal_file
from ics.reconciler import wiring
from tests.unit import factories

SIGNER = "cosmos1x"


class Lease:
    """A Lease that is free, or of which `request` fails."""

    def __init__(self, trouble: errors.IcsError | None = None) -> None:
        self.trouble = trouble
        self.done: list[str] = []

    async def request(self, timeout: float) -> None:
        self.done.append(f"request {timeout:.0f}")
        if self.trouble is not None:
            raise self.trouble

    async def return_to_holder(self) -> None:
        self.done.append("return")


def journals(
    closing: contextlib.AsyncExitStack,
    folder: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    there: Lease | None,
    validator: settings.Settings | None,
) -> wiring.Journals:
    monkeypatch.setattr(wiring, "lease_of", lambda *_, **__: cast(Any, there))
    kube = None if there is None else client.KubeClient(kubeconfig.Access(server="https://h"))
    provider = factories.settings().provider
    signing = settings.SigningSettings(provider=provider)
    return wiring.Journals(closing, signing, validator, lambda: kube, folder)


async def test_command_of_validator_holds_the_lease_until_it_ends(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Lease()
    async with contextlib.AsyncExitStack() as closing:
        found = await journals(closing, tmp_path, monkeypatch, there, factories.settings()).open(SIGNER)
        assert isinstance(found, tx_journal.TxJournal)
        assert there.done == ["request 60"]
    assert there.done == ["request 60", "return"]
    assert list(tmp_path.iterdir()) == []


async def test_command_beside_a_pass_names_the_holder(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = lease.HeldByOther(
        "Lease provider/ics-alice: host-1 pid 7 is acting for this validator", "host-1 pid 7"
    )
    there = Lease(held)
    with pytest.raises(lease.HeldByOther) as caught:
        async with contextlib.AsyncExitStack() as closing:
            await journals(closing, tmp_path, monkeypatch, there, factories.settings()).open(SIGNER)
    assert caught.value is held
    assert there.done == ["request 60"]


async def test_cluster_that_does_not_answer_is_no_licence_to_send(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Lease(errors.Transient("the API server is unreachable"))
    with pytest.raises(errors.Transient) as caught:
        async with contextlib.AsyncExitStack() as closing:
            await journals(closing, tmp_path, monkeypatch, there, factories.settings()).open(SIGNER)
    assert str(caught.value) == (
        "the API server is unreachable; so it is not known whether another process is sending for this validator: run"
        " this again, or, if none is, with --without-lease"
    )


@pytest.mark.parametrize("validator", [None, factories.settings()])
async def test_account_is_locked_where_there_is_no_cluster(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, validator: settings.Settings | None
) -> None:
    async with contextlib.AsyncExitStack() as closing:
        found = await journals(closing, tmp_path, monkeypatch, None, validator).open(SIGNER)
        assert isinstance(found, journal_file.JournalFile)
        with pytest.raises(errors.Transient, match=r"process [0-9]+ is sending with cosmos1x on provider-1"):
            async with journal_file.opened(tmp_path, "provider-1", SIGNER, 0):
                raise AssertionError("both have it")
