import base64
import json
from typing import Any

import pytest

from ics import errors, model
from ics.keys import derivation

OTHER = derivation.consensus_key(model.Secret(b"elsewhere".ljust(32)))


def test_priv_validator_key_file_round_trips() -> None:
    assert derivation.parse_priv_validator_key(OTHER.priv_validator_key_json(), "here") == OTHER


def spoiled(**changes: Any) -> model.Secret:
    document = json.loads(OTHER.priv_validator_key_json().reveal())
    return model.Secret(json.dumps(document | changes))


SECRET = base64.b64encode(b"elsewhere".ljust(32) + OTHER.public_key).decode()
FOREIGN = base64.b64encode(b"x" * 32).decode()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (model.Secret("words"), "not a priv_validator_key.json"),
        (
            spoiled(priv_key={"type": "tendermint/PrivKeySecp256k1", "value": SECRET}),
            "only ed25519 keys are supported",
        ),
        (
            spoiled(priv_key={"type": "tendermint/PrivKeyEd25519", "value": FOREIGN}),
            "only ed25519 keys are supported",
        ),
        (spoiled(pub_key={"type": "tendermint/PubKeyEd25519", "value": FOREIGN}), "do not match"),
    ],
)
def test_invalid_priv_validator_key_file_is_refused_and_not_quoted(text: model.Secret, says: str) -> None:
    with pytest.raises(errors.SettingsError, match=says) as caught:
        derivation.parse_priv_validator_key(text, "ics:consensus_keys.0.imported")
    assert SECRET not in str(caught.value)
