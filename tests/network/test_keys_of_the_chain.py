"""Sealed keys go from here to the chain's own keyring and back."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from tests.network import provider_node

pytestmark = pytest.mark.network

PASSPHRASE = "correct horse"


def ics(place: pathlib.Path, *words: str) -> str:
    environment = {**os.environ, "ICS_KEYSTORE": str(place), "PASS": PASSPHRASE}
    done = subprocess.run(
        [sys.executable, "-m", "ics.cli.__main__", "keys", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def chain(home: pathlib.Path, *words: str, given: str = "") -> str:
    program = provider_node.binary()
    assert program is not None
    command = [str(program), "keys", *words, "--keyring-backend", "test", "--home", str(home)]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
    return done.stdout or done.stderr


def test_there_and_back(tmp_path: pathlib.Path) -> None:
    place, home = tmp_path / "keys", tmp_path / "home"
    opening = ("--passphrase-env", "PASS")
    ours = json.loads(ics(place, "add", "ours", "--json", *opening))
    ics(place, "export", "ours", "--out", str(tmp_path / "ours"))
    chain(home, "import", "ours", str(tmp_path / "ours"), given=f"{PASSPHRASE}\n")
    assert chain(home, "show", "ours", "-a").strip() == ours["address"]

    theirs = json.loads(chain(home, "add", "theirs", "--output", "json"))
    (tmp_path / "theirs").write_text(chain(home, "export", "theirs", given=f"{PASSPHRASE}\n"))
    taken = json.loads(ics(place, "import", "theirs", str(tmp_path / "theirs"), "--json", *opening))
    assert taken["address"] == theirs["address"]

    words = tmp_path / "words"
    words.write_text(theirs["mnemonic"])
    words.chmod(0o600)
    recovered = json.loads(ics(place, "recover", "again", "--from", str(words), "--json", *opening))
    assert recovered["address"] == theirs["address"]
