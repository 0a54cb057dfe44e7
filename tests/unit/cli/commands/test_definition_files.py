"""`ics chain import` and `ics chain check`, over files and real sockets."""

import asyncio
import hashlib
import json
import pathlib
from typing import Any

import pytest
import yaml

from ics.cli import __main__ as cli
from tests.unit import factories, servers

FOLDER = pathlib.Path(__file__).parents[2] / "config" / "registry"
GENESIS = b'{"app_state": {}}'


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = cli.main([*words])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_import_of_a_path_prints_the_draft(capsys: pytest.CaptureFixture[str]) -> None:
    source = str(FOLDER / "neutron" / "chain.json")
    code, out, _ = run(capsys, "chain", "import", source, "--offline")
    assert (code, out) == (0, (FOLDER / "neutron.draft.yaml").read_text())


def test_import_never_overwrites_a_file(capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path) -> None:
    source, target = str(FOLDER / "stride" / "chain.json"), tmp_path / "stride.yaml"
    words = ("chain", "import", source, "--offline", "--out", str(target))
    code, out, _ = run(capsys, *words)
    assert code == 0
    assert "  match.owner: account address of the chain's owner" in out
    assert target.read_text() == (FOLDER / "stride.draft.yaml").read_text()
    code, _, err = run(capsys, *words)
    assert code != 0
    assert "File exists" in err


def test_draft_is_refused_by_check_until_it_is_filled_in(
    capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    target = tmp_path / "neutron.yaml"
    text = (FOLDER / "neutron.draft.yaml").read_text()
    target.write_text(text)
    code, _, err = run(capsys, "chain", "check", str(target))
    assert code != 0
    assert f"{target}: image: FILL_IN; replace it by the value" in err
    text = text.replace("owner: FILL_IN", f"owner: {factories.OWNER}").replace(
        "image: FILL_IN", "image: repo/x:1"
    )
    target.write_text(text.replace("sha256: FILL_IN", f"sha256: {'ab' * 32}"))
    code, out, _ = run(capsys, "chain", "check", str(target), "--json")
    assert (code, json.loads(out)) == (
        0,
        {"definition": "neutron", "ok": True, "unchecked": ["genesis, which is published at a URL"]},
    )
    renamed = target.rename(tmp_path / "other.yaml")
    code, _, err = run(capsys, "chain", "check", str(renamed))
    assert code != 0
    assert "name 'neutron' differs from the file name" in err


def test_check_reads_the_genesis_file_beside_the_definition(
    capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    values = factories.example().definition.model_dump(mode="json", exclude_defaults=True)
    path = tmp_path / "ics-example.yaml"
    path.write_text(yaml.safe_dump(values))
    code, _, err = run(capsys, "chain", "check", str(path))
    assert code != 0
    missing = tmp_path / "base.json"
    assert f"the genesis file is not available: {missing}: No such file or directory; put it there, or" in err
    assert "correct genesis.base.file" in err
    (tmp_path / "base.json").write_text(factories.BASE)
    code, out, _ = run(capsys, "chain", "check", str(path))
    assert (code, out) == (0, "definition ics-example is valid\n")


async def test_import_of_a_url_fetches_the_genesis_and_asks_the_servers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    chain = json.loads((FOLDER / "neutron" / "chain.json").read_text())

    async def respond(asked: servers.Asked, writer: asyncio.StreamWriter) -> None:
        files = {"/n/chain.json": json.dumps(chain).encode(), "/genesis.json": GENESIS}
        found = files.get(asked.target)
        status = "200 OK" if found is not None else "404 Not Found"
        await servers.answering(found or b"", status)(asked, writer)

    async with servers.serving(respond) as url:
        chain["codebase"]["genesis"]["genesis_url"] = f"{url}/genesis.json"
        chain["apis"]["rpc"] = [{"address": url}]
        words = ["chain", "import", f"{url}/n/chain.json", "--image", "repo/x:1", "--json"]
        code = await asyncio.to_thread(cli.main, words)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert code == 0
    draft = found["definition"]
    assert draft["genesis"]["final"]["sha256"] == hashlib.sha256(GENESIS).hexdigest()
    assert [hole["key"] for hole in found["holes"]] == ["match.owner"]
    # There is no versions.json beside it, and a server without https is not asked.
    assert not {"upgrades", "rpc"} & set(draft)
