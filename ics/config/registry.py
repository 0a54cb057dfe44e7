"""Drafts of chain definitions from a chain registry's `chain.json` and `versions.json`; pure.

The registry's files are everybody's to write, and lack what a validator must know: who owns the chain, and which image
has its binary. So the result is a draft: what it cannot know is `FILL_IN`, which `chain_definition.parse` refuses by
name, and what is doubtful is said in its comments. Both spellings are read: `chain_id` of the registry itself, and
`chainId` of its packages.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import yaml

from ics import errors, plain_text
from ics.config import chain_definition, units, urls
from ics.cosmos import peers

FILL_IN: Final = chain_definition.FILL_IN
LARGEST: Final = 4 << 20
"""Bytes of a registry's file."""
LARGE_GENESIS: Final = 1_000_000
"""Bytes of a compressed genesis from which the draft lets the node's pod prepare it."""
_MOST_SERVERS: Final = 4
_MOST_UPGRADES: Final = 200
_CAMEL = re.compile(r"(?<=[a-z0-9])([A-Z])")
_TAG = "{tag}"
_NAME = re.compile(r"[^a-z0-9]+")
_PLAN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/+@:-]{0,139}")


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A genesis file that was fetched once."""

    sha256: str
    packed_size: int
    """Bytes when compressed."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A definition with holes."""

    values: Mapping[str, Any]
    holes: tuple[tuple[str, str], ...]
    """(key, what belongs there)."""
    doubts: tuple[str, ...]
    """What the registry says, but may be wrong."""

    @property
    def name(self) -> str:
        """Name of the definition."""
        return str(self.values["name"])

    def text(self) -> str:
        """Return the file, with its holes and doubts as comments."""
        lines = [
            "Draft from the files of a chain registry, which vouches for nothing in them: compare everything with what",
            "the chain's launch team publishes.",
            *(f"FILL_IN {key}: {what}" for key, what in self.holes),
            *(f"Check: {doubt}" for doubt in self.doubts),
        ]
        comments = "".join(f"# {plain_text.visible(line)}\n" for line in lines)
        return comments + yaml.safe_dump(dict(self.values), sort_keys=False, width=100, allow_unicode=True)


def parse(content: bytes, origin: str) -> dict[str, Any]:
    """Return one of the registry's files, with its keys in the registry's own spelling.

    Raises:
        SettingsError: it is not a JSON object, or too large.
    """
    if len(content) > LARGEST:
        raise errors.SettingsError(f"{origin}: more than {LARGEST} bytes; use the chain.json of one chain")
    try:
        document = _snake(json.loads(content, parse_float=Decimal), 0)
    except (ValueError, RecursionError) as error:
        raise errors.SettingsError(
            f"{origin}: not JSON: {error}; use the file itself, not its page"
        ) from None
    if not isinstance(document, dict):
        raise errors.SettingsError(f"{origin}: not an object; use the chain.json of one chain")
    return document


def _snake(value: Any, depth: int) -> Any:
    if depth > 40:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        return {
            _CAMEL.sub(lambda one: f"_{one[1].lower()}", str(key)): _snake(inner, depth + 1)
            for key, inner in value.items()
        }
    return [_snake(inner, depth + 1) for inner in value] if isinstance(value, list) else value


def check_template(template: str) -> str:
    """Check a template of image names.

    Raises:
        SettingsError: it has no tag to fill in, or no valid name results.
    """
    try:
        if _TAG not in template:
            raise ValueError(f"it has no {_TAG}")
        units.check_image(template.replace(_TAG, "v1.0.0"))
    except ValueError as error:
        raise errors.SettingsError(
            f"--image-template {template!r}: {error}; use REPOSITORY:{_TAG}"
        ) from error
    return template


def genesis_url(chain: Mapping[str, Any]) -> str:
    """Return where a chain publishes its genesis; empty if nowhere, or not at an http address."""
    found = _text(_at(chain, "codebase.genesis.genesis_url") or _at(chain, "genesis.genesis_url"))
    return found if urls.is_http(found) and " " not in found else ""


def servers(chain: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the RPC addresses of a chain that answer over https."""
    found = [_text(_at(one, "address")).rstrip("/") for one in _list(chain, "apis.rpc")]
    return tuple(dict.fromkeys(one for one in found if one.startswith("https://") and urls.is_http(one)))


def chain_id(chain: Mapping[str, Any]) -> str:
    """Return the chain id; empty if there is none."""
    return _text(chain.get("chain_id"))


def draft(
    chain: Mapping[str, Any],
    versions: Mapping[str, Any] | None,
    *,
    image: str = "",
    template: str = "",
    published: PublishedFile | None = None,
    rpc: Sequence[str] | None = None,
) -> Draft:
    """Return the draft of a definition.

    Args:
        chain: `chain.json`, see `parse`.
        versions: `versions.json`; None: there is none.
        image: of the first version; empty: it follows from the template, or is a hole.
        template: of image names, with `{tag}`; empty: the images are holes.
        published: the genesis file; None: it was not fetched.
        rpc: the servers that answered for this chain; None: none was asked.
    """
    return _Drafting(chain, versions, image, template, published, rpc).result()


class _Drafting:
    """Collects values, holes and doubts."""

    def __init__(
        self,
        chain: Mapping[str, Any],
        versions: Mapping[str, Any] | None,
        image: str,
        template: str,
        published: PublishedFile | None,
        rpc: Sequence[str] | None,
    ) -> None:
        self._chain, self._image, self._template = chain, image, template
        self._versions = _list(versions or {}, "versions") or _list(chain, "codebase.versions")
        self._published, self._rpc = published, rpc
        self._holes: list[tuple[str, str]] = []
        self._doubts: list[str] = []

    def result(self) -> Draft:
        own_id = self._or_hole("match.chain_id", chain_id(self._chain), "the chain id")
        tokens = _list(self._chain, "fees.fee_tokens")
        first: Any = tokens[0] if tokens else {}
        denom = self._or_hole("denom", _text(_at(first, "denom")), "the base denomination")
        stem = _text(self._chain.get("chain_name")) or own_id
        values: dict[str, Any] = {
            "name": _NAME.sub("-", stem.lower()).strip("-")[:63].strip("-") or "imported",
            "match": {
                "chain_id": own_id,
                "owner": self._hole("match.owner", "account address of the chain's owner on the provider"),
            },
            "image": self._first_image(),
            "binary": self._or_hole("binary", _text(self._chain.get("daemon_name")), "name of the binary"),
            "bech32_prefix": self._or_hole(
                "bech32_prefix", _text(self._chain.get("bech32_prefix")), "prefix of the chain's accounts"
            ),
            "denom": denom,
            "min_gas_price": self._gas_price(first, denom),
            **self._accounts(),
            "genesis": {"final": self._genesis()},
        }
        optional = {"seeds": self._seeds(), "rpc": self._servers(), "upgrades": list(self._upgrades())}
        values |= {key: value for key, value in optional.items() if value}
        self._compare_versions()
        return Draft(values, tuple(self._holes), tuple(self._doubts))

    def _hole(self, key: str, what: str) -> str:
        self._holes.append((key, what))
        return FILL_IN

    def _or_hole(self, key: str, value: str, what: str) -> str:
        return value or self._hole(key, what)

    def _first_image(self) -> str:
        if self._image:
            return self._image
        tag = _tag(self._versions[0]) if self._versions else _tag(_at(self._chain, "codebase"))
        return self._image_of("image", tag, "image with the binary of the chain's first block")

    def _image_of(self, key: str, tag: str, what: str) -> str:
        if not (self._template and tag):
            return self._hole(key, f"{what}{f', release {tag}' if tag else ''}; with a shell")
        name = self._template.replace(_TAG, tag)
        try:
            units.check_image(name)
        except ValueError:
            return self._hole(key, f"{what}: {tag!r} makes no valid name of an image")
        return name

    def _gas_price(self, token: Any, denom: str) -> str:
        for key in ("fixed_min_gas_price", "low_gas_price"):
            amount = _at(token, key)
            if isinstance(amount, int | Decimal) and not isinstance(amount, bool) and amount >= 0:
                return f"{units.format_decimal(Decimal(amount))}{denom}"
        return self._hole("min_gas_price", "minimum-gas-prices of the node, such as 0.005DENOM")

    def _accounts(self) -> dict[str, Any]:
        algorithms = _list(self._chain, "key_algos")
        if "ethsecp256k1" not in algorithms:
            return {}
        self._doubts.append("pk_type: the registry does not say which type the chain's public keys have")
        coin_type = self._chain.get("slip44")
        own = coin_type if isinstance(coin_type, int) and not isinstance(coin_type, bool) else 60
        return {"address_type": "ethermint", **({"coin_type": own} if own != 60 else {})}

    def _genesis(self) -> dict[str, Any]:
        url = genesis_url(self._chain)
        result: dict[str, Any] = {
            "url": self._or_hole("genesis.final.url", url, "address of the genesis file")
        }
        if self._published is None:
            result["sha256"] = self._hole(
                "genesis.final.sha256", "sha256 of the genesis file, from its publishers"
            )
            return result
        result["sha256"] = self._published.sha256
        self._doubts.append(
            "genesis.final.sha256 is that of the file as it was found; compare it with the chain's genesis_hash"
        )
        if self._published.packed_size > LARGE_GENESIS:
            result["large"] = True
        ccv = _text(_at(self._chain, "codebase.genesis.ics_ccv_url"))
        if ccv:
            self._doubts.append(
                f"the registry names a CCV state at {ccv}; the one of the provider is used instead"
            )
        return result

    def _seeds(self) -> list[str]:
        found = []
        for seed in _list(self._chain, "peers.seeds"):
            text = f"{_text(_at(seed, 'id'))}@{_text(_at(seed, 'address'))}"
            try:
                found.append(str(peers.parse(text)))
            except errors.SettingsError:
                self._doubts.append(f"seeds: {text!r} is left out, because it is not ID@HOST:PORT")
        return list(dict.fromkeys(found))

    def _servers(self) -> list[str]:
        if self._rpc is None:
            return list(servers(self._chain)[:_MOST_SERVERS])
        if servers(self._chain) and len(self._rpc) < 2:
            self._doubts.append("rpc: fewer than two of the registry's servers answer for this chain")
        return list(self._rpc[:_MOST_SERVERS])

    def _upgrades(self) -> Iterator[dict[str, Any]]:
        """Yield the later versions in the order of the file; what lies between two of them is a hole or a doubt."""
        for at, version in enumerate(self._versions[1 : _MOST_UPGRADES + 1]):
            before, name = self._versions[at], _text(_at(version, "name"))
            following = _text(_at(before, "next_version_name"))
            shown = _text(_at(before, "name"))
            if not following:
                self._doubts.append(
                    f"upgrades: versions.json does not say what follows {shown}, and lists {name} next; a version may"
                    " be missing between them"
                )
            elif following != name:
                self._doubts.append(
                    f"upgrades: versions.json says that {following} follows {shown}, but lists {name} next"
                )
            yield self._upgrade(at, version, name)

    def _upgrade(self, at: int, version: Any, name: str) -> dict[str, Any]:
        key = f"upgrades.{at}"
        height = _at(version, "height")
        is_height = isinstance(height, int) and not isinstance(height, bool) and height >= 2
        is_name = _PLAN_NAME.fullmatch(name) is not None
        return {
            "name": name if is_name else self._hole(f"{key}.name", "name of the chain's plan"),
            "height": height if is_height else self._hole(f"{key}.height", f"height of {name}"),
            "image": self._image_of(f"{key}.image", _tag(version), f"image of {name}"),
        }

    def _compare_versions(self) -> None:
        stated = _text(_at(self._chain, "codebase.recommended_version"))
        listed = _tag(self._versions[-1]) if self._versions else stated
        if stated and listed and stated != listed:
            self._doubts.append(f"chain.json recommends {stated}, and versions.json ends with {listed}")
        if self._versions and len(self._versions) == 1:
            self._doubts.append("upgrades: versions.json has one version only")
        if not self._versions:
            self._doubts.append(
                "upgrades: there is no versions.json, so image must be that of the first block"
            )


def _tag(version: Any) -> str:
    """Return the tag of a version's release: the recommended one, which may be a later patch, else its own."""
    return _text(_at(version, "recommended_version")) or _text(_at(version, "tag"))


def _at(value: Any, path: str) -> Any:
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _list(value: Any, path: str) -> list[Any]:
    found = _at(value, path)
    return found if isinstance(found, list) else []


def _text(value: Any) -> str:
    """Return a text of at most 400 characters on one line; empty for anything else."""
    is_fit = isinstance(value, str) and len(value) <= 400 and value.isprintable()
    return value.strip() if is_fit else ""
