"""Terms of a chain as the chain's own tools write them, beside this program's form; pure.

`tx provider create-consumer FILE` and `update-consumer FILE` (interchain-security v7, x/ccv/provider/client/cli/tx.go)
read JSON with Go's names: heights as objects, durations as nanoseconds, hashes in base64, denominations within an
object. Queries and proposals write the messages in protobuf's JSON, with numbers as text and durations such as
`540s`. A file that has none of this is not changed.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from ics import errors, plain_text
from ics.cosmos import times
from ics.provider.owner import terms

_NAMES = {
    "init_params": "initialization_parameters",
    "power_shaping_params": "power_shaping_parameters",
    "new_chain_id": "chain_id",
}
"""Other names of the same members: in the answer of a query, and in the message that changes a chain."""
_NOT_TERMS = frozenset(
    {"@type", "submitter", "owner", "owner_address", "consumer_id", "phase", "client_id", "new_owner_address"}
)
_DURATIONS = ("unbonding_period", "ccv_timeout_period", "transfer_timeout_period")
_UNSET = "0001-01-01T00:00:00Z"
_HEX = re.compile(r"([0-9a-fA-F]{2})*")


def parse(
    document: Mapping[str, Any], origin: str, consumer_id: str = "", new_owner: str = ""
) -> dict[str, Any]:
    """Return the terms of a file in this program's form.

    Args:
        document: this program's form, the chain's, a message of either kind, or a proposal with one message.
        origin: the file, for messages.
        consumer_id: the chain that is changed; empty: one is created.
        new_owner: to whom the command line hands the chain over.

    Raises:
        SettingsError: the file is of another chain, or hands the chain over, which the command line must say.
    """
    document = _only_message(document, origin)
    stated = document.get("consumer_id")
    if consumer_id and stated not in (None, "") and str(stated) != consumer_id:
        raise errors.SettingsError(
            f"{origin}: consumer_id: {plain_text.visible(str(stated))!r} is another chain than {consumer_id}; use the"
            " file of that chain, or remove it"
        )
    owner = document.get("new_owner_address")
    if owner not in (None, "", new_owner):
        raise errors.SettingsError(
            f"{origin}: new_owner_address: hands the chain over to {plain_text.visible(str(owner))}; say so with"
            " --new-owner, or remove it"
        )
    result: dict[str, Any] = {}
    for name, value in document.items():
        target = _NAMES.get(name, name)
        # The message that changes a chain has empty members for what stays as it is.
        if name in _NOT_TERMS or (target != name and value in (None, "")):
            continue
        result[target] = value
    return _structures(result, origin)


def _only_message(document: Mapping[str, Any], origin: str) -> Mapping[str, Any]:
    messages = document.get("messages")
    if messages is None:
        return document
    if not (isinstance(messages, list) and len(messages) == 1 and isinstance(messages[0], Mapping)):
        raise errors.SettingsError(f"{origin}: messages: a proposal must have one message, that of the chain")
    return messages[0]


def _structures(values: dict[str, Any], origin: str) -> dict[str, Any]:
    # A structure that is null is one that the file does not set.
    for name in ("metadata", "initialization_parameters", "power_shaping_parameters"):
        if name in values and values[name] is None:
            del values[name]
    initialization = values.get("initialization_parameters")
    if isinstance(initialization, Mapping):
        values["initialization_parameters"] = _initialization(
            initialization, str(values.get("chain_id") or ""), origin
        )
    denoms = values.get("allowlisted_reward_denoms")
    if isinstance(denoms, Mapping) and set(denoms) <= {"denoms"}:
        values["allowlisted_reward_denoms"] = denoms.get("denoms") or []
    infraction = values.get("infraction_parameters")
    if isinstance(infraction, Mapping):
        values["infraction_parameters"] = {name: _penalty(inner) for name, inner in infraction.items()}
    return values


def _initialization(params: Mapping[str, Any], chain_id: str, origin: str) -> dict[str, Any]:
    result = dict(params)
    height = result.get("initial_height")
    if isinstance(height, Mapping) and set(height) <= {"revision_number", "revision_height"}:
        _check_revision(height.get("revision_number"), chain_id, origin)
        result["initial_height"] = height.get("revision_height", 0)
    for name in ("genesis_hash", "binary_hash"):
        if name in result:
            result[name] = _hash(result[name])
    for name in _DURATIONS:
        if name in result:
            result[name] = _duration(result[name])
    if result.get("spawn_time") == _UNSET:
        result["spawn_time"] = None
    return result


def _check_revision(stated: object, chain_id: str, origin: str) -> None:
    """Refuse a revision that is not the chain id's, because it is not sent: the provider requires the chain id's."""
    if chain_id and stated is not None and str(stated) != str(terms.revision(chain_id)):
        raise errors.SettingsError(
            f"{origin}: initialization_parameters.initial_height.revision_number: {plain_text.visible(str(stated))} is"
            f" not the revision of {plain_text.visible(chain_id)}, which is {terms.revision(chain_id)}; correct it"
        )


def _hash(value: Any) -> Any:
    """Return a hash in hex; base64, which Go writes for bytes, is recognized by not being hex."""
    if value is None:
        return ""
    if not isinstance(value, str) or _HEX.fullmatch(value):
        return value
    try:
        return base64.b64decode(value, validate=True).hex()
    except (binascii.Error, ValueError):
        return value


def _duration(value: Any) -> Any:
    """Return a duration as text; a plain number counts nanoseconds, as everywhere in Go."""
    is_number = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= times.LONGEST
    return "forever" if value == times.LONGEST else times.format_duration(value) if is_number else value


def _penalty(value: Any) -> Any:
    if not isinstance(value, Mapping) or "jail_duration" not in value:
        return value
    return {**value, "jail_duration": _duration(value["jail_duration"])}
