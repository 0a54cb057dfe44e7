"""`ics keys …` from the keyboard to the file."""

import json
import os
import pathlib
import stat
from dataclasses import dataclass

import pytest

from ics import model
from ics.cli import __main__ as commands
from ics.cluster import secrets
from ics.config import secret_sources
from ics.keys import derivation, keystore
from tests.unit.keys import vectors

PASSPHRASE = "correct horse"


@dataclass(frozen=True)
class Hand:
    """An operator at a terminal-less shell."""

    place: pathlib.Path
    capture: pytest.CaptureFixture[str]

    def run(self, *words: str) -> tuple[int, str, str]:
        code = commands.main(["keys", *words])
        out, err = self.capture.readouterr()
        return code, out, err

    def good(self, *words: str) -> str:
        code, out, err = self.run(*words)
        assert (code, err) == (0, "")
        return out

    def bad(self, *words: str) -> str:
        code, out, err = self.run(*words)
        assert (code, out) == (2, "")
        assert err.startswith("ics: ")
        assert err.count("\n") == 1
        return err.removeprefix("ics: ").strip()


@pytest.fixture
def hand(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Hand:
    monkeypatch.setenv("ICS_KEYSTORE", str(tmp_path / "keys"))
    monkeypatch.setenv("PASS", PASSPHRASE)
    return Hand(tmp_path / "keys", capsys)


PASS = ("--passphrase-env", "PASS")


def private(path: pathlib.Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def test_account_key_passes_through_its_whole_lifecycle(hand: Hand, tmp_path: pathlib.Path) -> None:
    made = json.loads(hand.good("add", "alice", "--json", *PASS))
    assert sorted(made) == ["address", "kind", "name", "operator_address", "public_key"]
    path = hand.place / "alice.key"
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(hand.place.stat().st_mode)) == (0o600, 0o700)
    assert json.loads(hand.good("list", "--json"))["keys"] == [made]
    assert json.loads(hand.good("show", "alice", "--json")) == made
    assert hand.good("show", "alice", "--prefix", "osmo").count("osmo1") == 1

    assert hand.good("export", "alice") == path.read_text()
    revealed = hand.good("export", "alice", "--reveal", "alice", *PASS).strip()
    account = derivation.account_from_hex(model.Secret(revealed))
    assert account.address("cosmos") == made["address"]
    told = {"name": "alice", "kind": "account"}
    assert json.loads(hand.good("export", "alice", "--json")) == {**told, "sealed": path.read_text()}
    bare = hand.good("export", "alice", "--json", "--reveal", "alice", *PASS)
    assert json.loads(bare) == {**told, "secret": revealed}
    hand.good("recover", "again", "--from", private(tmp_path / "hex", revealed), *PASS)
    assert json.loads(hand.good("show", "again", "--json"))["address"] == made["address"]

    hand.good("delete", "alice", "--confirm", "alice")
    assert [row["name"] for row in json.loads(hand.good("list", "--json"))["keys"]] == ["again"]
    assert sorted(os.listdir(hand.place)) == ["again.key"]


def test_mnemonic_is_revealed_by_name_only(hand: Hand, tmp_path: pathlib.Path) -> None:
    made = json.loads(hand.good("add", "alice", "--reveal", "alice", "--json", *PASS))
    assert len(made["secret"].split()) == 24
    words = private(tmp_path / "words", made["secret"])
    hand.good("recover", "again", "--from", words, *PASS)
    assert json.loads(hand.good("show", "again", "--json"))["address"] == made["address"]
    assert "--reveal 'other' is not the name" in hand.bad("add", "b", "--reveal", "other", *PASS)
    assert "--reveal 'other' is not the name" in hand.bad("export", "alice", "--reveal", "other", *PASS)
    assert keystore.names(hand.place) == ["again", "alice"]


async def test_seed_is_added_and_exported_for_a_stack(hand: Hand, tmp_path: pathlib.Path) -> None:
    made = json.loads(hand.good("add", "seed", "--seed", "--json", *PASS))
    revealed = hand.good("export", "seed", "--reveal", "seed", *PASS).strip()
    seed = derivation.parse_seed(model.Secret(revealed))
    assert made == {"name": "seed", "kind": "seed", "node_id": derivation.derive_node_key(seed).node_id}
    hand.good("add", "alice", *PASS)

    async def read(setting: str, **source: object) -> model.Secret:
        value = secret_sources.SecretSource.model_validate(source)
        environment = {"ICS_KEYSTORE": str(hand.place), "PASS": PASSPHRASE}
        return await secrets.read(value, setting, tmp_path, environment, None)

    private(tmp_path / "pass", f"{PASSPHRASE}\n")
    from_file = await read("ics:seed", keystore="seed", passphrase={"file": "pass"})
    from_env = await read("ics:seed", keystore="seed", passphrase={"env": "PASS"})
    assert derivation.parse_seed(from_file) == derivation.parse_seed(from_env) == seed
    account = derivation.parse_account(
        await read("ics:account", keystore="alice", passphrase={"env": "PASS"})
    )
    assert account.address("cosmos") == json.loads(hand.good("show", "alice", "--json"))["address"]
    with pytest.raises(
        Exception, match=r"^ics:account.keystore: key 'seed': a seed, but an account is needed"
    ):
        await read("ics:account", keystore="seed", passphrase={"env": "PASS"})
    with pytest.raises(
        Exception, match=r"^passphrase of ics:seed.keystore: key 'seed': no terminal to prompt at"
    ):
        await read("ics:seed", keystore="seed")


def test_keys_exported_by_chain_binary_are_imported(
    hand: Hand, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text, passphrase in (("new", vectors.EXPORTED, "abcdefgh"), ("old", vectors.OLD, "123456789")):
        monkeypatch.setenv("THEIRS", passphrase)
        (tmp_path / name).write_text(text)
        assert "wrong passphrase" in hand.bad("import", name, str(tmp_path / name), *PASS)
        hand.good("import", name, str(tmp_path / name), "--passphrase-env", "THEIRS")
        revealed = hand.good("export", name, "--reveal", name, "--passphrase-env", "THEIRS")
        assert revealed.strip() == {"new": vectors.EXPORTED_HEX, "old": vectors.OLD_HEX}[name]


def test_manually_placed_key_file_is_listed_as_unknown(hand: Hand) -> None:
    hand.place.mkdir()
    private(hand.place / "theirs.key", vectors.EXPORTED)
    assert json.loads(hand.good("show", "theirs", "--json"))["address"] is None
    assert "unknown; run `ics keys import` on its file" in hand.good("list")


def test_refused_commands_keep_the_key(
    hand: Hand, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand.good("add", "alice", *PASS)
    before = (hand.place / "alice.key").read_text()

    assert "key 'alice' already exists" in hand.bad("add", "alice", *PASS)
    assert "key 'alice' already exists" in hand.bad("import", "alice", "x", *PASS)
    assert "is not the name of key 'alice'; nothing was deleted" in hand.bad(
        "delete", "alice", "--confirm", "b"
    )
    assert "key 'bob': not found in" in hand.bad("delete", "bob", "--confirm", "bob")
    assert "key 'bob': not found in" in hand.bad("show", "bob")
    assert "key name '../x' is not valid; use up to 64" in hand.bad("add", "../x", *PASS)
    assert "no terminal to prompt at" in hand.bad("export", "alice", "--reveal", "alice")
    assert "environment variable NO is not set; set it" in hand.bad("add", "bob", "--passphrase-env", "NO")
    (tmp_path / "open").write_text(PASSPHRASE)
    (tmp_path / "open").chmod(0o644)
    assert "readable by other users" in hand.bad("add", "bob", "--passphrase-file", str(tmp_path / "open"))
    assert "already exists" in hand.bad("export", "alice", "--out", str(tmp_path / "open"))
    monkeypatch.setenv("PASS", "wrong horse")
    assert "wrong passphrase" in hand.bad("export", "alice", "--reveal", "alice", *PASS)
    monkeypatch.setenv("PASS", "short")
    assert "passphrase is too short" in hand.bad("add", "bob", *PASS)

    assert os.listdir(hand.place) == ["alice.key"]
    assert (hand.place / "alice.key").read_text() == before


def test_damaged_key_is_reported_and_others_are_listed(hand: Hand) -> None:
    hand.good("add", "alice", *PASS)
    private(hand.place / "bob.key", vectors.EXPORTED[:80])
    code, out, err = hand.run("list")
    assert code == 2
    assert "alice" in out
    assert err.startswith(f"ics: key 'bob' ({hand.place / 'bob.key'}): not an armored key")
    assert err.count("\n") == 1
    (hand.place / "alice.key").chmod(0o640)
    assert "(mode 0640); run chmod 600" in hand.bad("show", "alice")


def test_full_disk_leaves_no_partial_key(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    hand.place.mkdir()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "cannot be written: No space left on device" in hand.bad("add", "alice", *PASS)
    assert os.listdir(hand.place) == []


def test_new_passphrase_is_typed_twice_at_terminal(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    typed: list[str] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda prompt: typed.pop(0))
    typed[:] = ["correct horse", "correct house"]
    assert "the two passphrases differ" in hand.bad("add", "alice")
    typed[:] = ["correct horse", "correct horse"]
    hand.good("add", "alice")
    typed[:] = ["correct horse"]
    assert len(hand.good("export", "alice", "--reveal", "alice").strip()) == 64
