"""Names of Kubernetes objects, from the identity of a consumer chain; pure.

A chain's identity is (provider chain id, consumer id). Its chain id is only decoration in a name: two
chains may carry one chain id, and a chain id may hold characters that no Kubernetes name may.
"""

import hashlib
import re

from ics import errors

MAX_CHAIN_ID = 50
"""Bytes; CometBFT's limit (MaxChainIDLen)."""
MAX_LABEL = 63
"""Characters of an RFC 1123 label and of a Kubernetes label value."""

_CONSUMER_ID = re.compile(r"0|[1-9][0-9]{0,19}")
_PREFIX = re.compile(r"([a-z0-9][a-z0-9-]*)?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")


def check_chain_id(chain_id: str) -> None:
    """Refuse what no chain of the provider can be called.

    Raises:
        SettingsError: empty, longer than 50 bytes, or with a space or control character.
    """
    if not chain_id:
        raise errors.SettingsError("chain id is empty: give the chain id as the provider lists it")
    if " " in chain_id or not chain_id.isprintable():
        raise errors.SettingsError(f"chain id {chain_id!r} has a space or control character: take it out")
    size = len(chain_id.encode())
    if size > MAX_CHAIN_ID:
        raise errors.SettingsError(
            f"chain id {chain_id!r} has {size} characters, the most is {MAX_CHAIN_ID}: shorten it"
        )


def check_consumer_id(consumer_id: str) -> None:
    """Refuse what is not the number that the provider gives a consumer chain.

    Raises:
        SettingsError: not a decimal number of at most 20 digits (uint64 as text).
    """
    if not _CONSUMER_ID.fullmatch(consumer_id):
        raise errors.SettingsError(f"consumer id {consumer_id!r} is not a number: take it from the list")


def namespace(prefix: str, provider_chain_id: str, consumer_id: str, chain_id: str) -> str:
    """The namespace of a consumer chain: `<prefix><chain id, cut>-<consumer id>-<8 hex>`.

    The hex digits are of the sha256 over provider chain id, consumer id and chain id, so that names
    which look alike after cutting stay apart. At most 63 characters, an RFC 1123 label.

    Raises:
        SettingsError: a bad chain id or consumer id, or a prefix that is no start of a label or too long.
    """
    check_chain_id(provider_chain_id)
    check_chain_id(chain_id)
    check_consumer_id(consumer_id)
    if not _PREFIX.fullmatch(prefix):
        raise errors.SettingsError(
            f"namespace_prefix {prefix!r} cannot begin a name: use a-z, 0-9 and '-', a letter or digit first"
        )
    # No chain id holds a line feed (checked above), so the joined text has one meaning only.
    identity = "\n".join((provider_chain_id, consumer_id, chain_id))
    tail = f"-{consumer_id}-{_hex8(identity)}"
    room = MAX_LABEL - len(prefix) - len(tail)
    if room < 1:
        raise errors.SettingsError(
            f"namespace_prefix {prefix!r} is too long: use at most {MAX_LABEL - len(tail) - 1} characters"
        )
    return prefix + (_slug(chain_id)[:room].strip("-") or "x") + tail


def label_value(text: str) -> str:
    """`text` itself where Kubernetes takes it as label value, else a cleaned form plus `-<8 hex>`."""
    if _LABEL_VALUE.fullmatch(text):
        return text
    kept = re.sub(r"[^A-Za-z0-9_.-]+", "-", text)[: MAX_LABEL - 9].strip("-_.") or "x"
    return f"{kept}-{_hex8(text)}"


def port_name(consumer_id: str, former: int | None = None) -> str:
    """Name of a chain's port on the shared LoadBalancer Service; a DNS label of at most 28 characters.

    Args:
        consumer_id: whose port.
        former: number of a port that the chain has moved away from, None for the present one.

    Raises:
        SettingsError: `consumer_id` is not a number.
    """
    check_consumer_id(consumer_id)
    return f"c-{consumer_id}" if former is None else f"c-{consumer_id}-{former}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _hex8(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
