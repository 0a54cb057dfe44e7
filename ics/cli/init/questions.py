"""The questions of `ics init`, with the defaults that were found and the check of each answer; pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib import parse

import pydantic

from ics import errors, plain_text
from ics.cli.init import found
from ics.config import endpoint, secret_sources
from ics.cosmos import coins

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
NONE = "none"
NEW, WORDS, GRANTEE = "new", "words", "grantee"
"""Answers about a key: a new one, an existing one by its words, a new one that only has the operator's grants."""
BY_HAND, CRON, CLUSTER = "by-hand", "cron", "cluster"
POLICIES = ("top66", "all", "listed", "none")
CLOUDS = ("none", "aws", "gcp", "azure", "metallb")
_SOURCES = "keystore:NAME, file:PATH, env:NAME or secret:NAMESPACE/NAME/KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question, and the flag that answers it."""

    key: str
    """Of the answer given by a flag, such as `rest`."""
    flag: str
    """The flag, such as `--rest URL`."""
    text: str
    default: str | None = None
    """None: it must be answered."""
    choices: tuple[str, ...] = ()
    """Every valid answer; empty: any that passes the check."""
    check: Callable[[str], str] = str
    """Returns the answer in its usual form; raises SettingsError."""

    def accept(self, answer: str) -> str:
        """Return an answer in its usual form.

        Raises:
            SettingsError: it is not valid; the message names the flag.
        """
        text = answer.strip()
        name = self.flag.partition(" ")[0]
        if self.choices and text not in self.choices:
            shown = ", ".join(map(plain_text.visible, self.choices))
            raise errors.SettingsError(f"{name}: {plain_text.one_line(text, 80)!r} is not one of {shown}")
        try:
            return self.check(text)
        except errors.SettingsError as error:
            raise errors.SettingsError(*(_named(name, problem) for problem in error.problems)) from error

    def missing(self) -> errors.SettingsError:
        """Return the error of a question that nothing answers."""
        return errors.SettingsError(f"{self.flag}: missing, and no default was found; add the flag")


def _named(name: str, problem: str) -> str:
    return problem if problem.startswith(name) else f"{name}: {problem}"


def rest(earlier: str | None) -> Question:
    """Ask for one REST gateway of the provider, from which the rest is found."""
    return Question(
        key="rest", flag="--rest URL", text="REST address of a provider node", default=earlier, check=url
    )


def address(kind: str, usable: Sequence[str], earlier: str | None) -> Question:
    """Ask for the RPC or gRPC address.

    Args:
        kind: `rpc` or `grpc`.
        usable: addresses that were tried with success.
        earlier: that of the stack file.
    """
    name = {"rpc": "RPC", "grpc": "gRPC"}[kind]
    return Question(
        key=kind,
        flag=f"--{kind} URL",
        text=f"{name} address of the provider",
        default=next(iter(usable), earlier),
        check=url,
    )


def gas_price(provider: found.Provider, earlier: str | None) -> Question:
    """Ask for the least gas price."""

    def check(text: str) -> str:
        if coins.parse_price(text).denom != provider.bond_denom:
            raise errors.SettingsError(
                f"{text!r} is not in {provider.bond_denom}, the chain's bond denomination; use that"
            )
        return text

    return Question(
        key="gas_price",
        flag="--gas-price PRICE",
        text="Gas price to start from",
        default=provider.gas_price or earlier or f"0.001{provider.bond_denom}",
        check=check,
    )


def validator(earlier: str | None) -> Question:
    """Ask which validator of the chain is meant."""
    return Question(
        key="validator",
        flag="--validator TEXT",
        text="Your validator (operator address, account address or moniker)",
        default=earlier,
        check=_given,
    )


def name(moniker: str, earlier: str | None) -> Question:
    """Ask for the validator's local name, which names its stack and its objects."""
    return Question(
        key="name",
        flag="--name NAME",
        text="Name of the stack, and of the validator in the cluster",
        default=earlier or slug(moniker),
        check=_stack_name,
    )


def account(earlier: str | None) -> Question:
    """Ask for the account that signs transactions."""
    return Question(
        key="account",
        flag="--account KIND",
        text=f"Account that signs ({GRANTEE}: a new key with the operator's grants; {WORDS}: the operator's own;"
        f" {NONE}; or {_SOURCES})",
        default=earlier or GRANTEE,
        check=lambda text: text if text in (GRANTEE, WORDS, NONE) else _source(text),
    )


def seed(earlier: str | None) -> Question:
    """Ask for the seed of all consumer keys."""
    return Question(
        key="seed",
        flag="--seed KIND",
        text=f"Seed of all consumer keys ({NEW}, or {_SOURCES})",
        default=earlier or NEW,
        check=lambda text: text if text == NEW else _source(text),
    )


def seed_copy() -> Question:
    """Ask where the sealed copy of a new seed goes; there is no default, because it must be another place."""
    return Question(
        key="seed_copy",
        flag="--seed-copy FILE",
        text="File for the sealed copy of the new seed, on another disk or machine",
        check=_given,
    )


def context(names: Sequence[str], current: str, earlier: str | None) -> Question:
    """Ask for the context of the cluster."""
    default = earlier if earlier in (*names, NONE) else current or (names[0] if len(names) == 1 else None)
    return Question(
        key="context",
        flag="--context NAME",
        text=f"Cluster's context in the kubeconfig ({NONE}: no cluster yet)",
        default=default if default is not None or names else NONE,
        choices=(*names, NONE),
    )


def cloud(cluster: found.Cluster, earlier: str | None) -> Question:
    """Ask for the cloud of the LoadBalancer."""
    return Question(
        key="cloud",
        flag="--cloud NAME",
        text=f"Cloud of the LoadBalancer ({', '.join(CLOUDS)})",
        default=earlier or cluster.cloud,
        choices=CLOUDS,
    )


def storage_class(cluster: found.Cluster, earlier: str | None) -> Question:
    """Ask for the StorageClass of the nodes' volumes; an empty answer is the cluster's default."""
    names = tuple(each.name for each in cluster.storage_classes)
    only = names[0] if len(names) == 1 else None
    default = earlier if earlier in names else cluster.default_class or only
    return Question(
        key="storage_class",
        flag="--storage-class NAME",
        text="StorageClass of the nodes' volumes",
        default=default if default is not None or names else "",
        choices=names or ("",),
    )


def snapshot_class(cluster: found.Cluster, earlier: str | None) -> Question:
    """Ask for the VolumeSnapshotClass."""
    names = cluster.snapshot_classes
    return Question(
        key="snapshot_class",
        flag="--snapshot-class NAME",
        text=f"VolumeSnapshotClass for snapshots of the volumes ({NONE}: make none)",
        default=earlier if earlier in names else next(iter(names), NONE),
        choices=(*names, NONE),
    )


def policy(earlier: str | None) -> Question:
    """Ask which chains are joined."""
    return Question(
        key="policy",
        flag="--policy NAME",
        text="Chains to join, of those with a definition (top66: like the validators with 66 % of the tokens; all;"
        " listed; none)",
        default=earlier or "top66",
        choices=POLICIES,
    )


def allow(earlier: str | None) -> Question:
    """Ask for the listed chains."""
    return Question(
        key="allow",
        flag="--allow LIST",
        text="Chain ids, consumer ids or owners to join, separated by commas",
        default=earlier,
        check=lambda text: ",".join(part.strip() for part in _given(text).split(",") if part.strip()),
    )


def passes(earlier: str | None) -> Question:
    """Ask who runs the passes."""
    return Question(
        key="run",
        flag="--run HOW",
        text=f"Who runs the passes ({BY_HAND}, {CRON}, or {CLUSTER}: a reconciler in the cluster)",
        default=earlier or BY_HAND,
        choices=(BY_HAND, CRON, CLUSTER),
    )


def image(earlier: str | None) -> Question:
    """Ask for the reconciler's image."""
    return Question(
        key="image",
        flag="--image REF",
        text="Image of the reconciler, built from the Dockerfile",
        default=earlier,
        check=_given,
    )


def overwrite(path: str) -> Question:
    """Ask whether a stack file is replaced."""
    return Question(
        key="overwrite",
        flag="--yes",
        text=f"Replace {path} as shown (yes, no)",
        default="no",
        choices=("yes", "no"),
    )


def url(text: str) -> str:
    """Return an address after checking that it is one, and that it holds no password.

    Raises:
        SettingsError: it is not a URL, or has a user, a password or a query.
    """
    try:
        checked = endpoint.Endpoint(url=text)
    except pydantic.ValidationError as error:
        raise errors.SettingsError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
    parts = parse.urlsplit(checked.url)
    if parts.username or parts.password or parts.query:
        raise errors.SettingsError(
            f"{checked}: contains a user, a password or a query, which may be a secret, and none goes into the stack"
            " file; give the address without it, and set headers in the file (docs/endpoints.md)"
        )
    return checked.url


def guesses(rest_url: str, kind: str) -> tuple[str, ...]:
    """Return addresses at which the RPC or gRPC of the same node may answer.

    Args:
        rest_url: its REST address.
        kind: `rpc` or `grpc`.
    """
    parts = parse.urlsplit(rest_url)
    host = parts.hostname or ""
    port = {"rpc": 26657, "grpc": 9090}[kind]
    shown = f"[{host}]" if ":" in host else host
    first, dot, rest_of_host = host.partition(".")
    word = next((word for word in ("rest", "lcd", "api") if re.search(rf"(^|-){word}(-|$)", first)), "")
    named = []
    if word and dot and rest_of_host:
        renamed = re.sub(rf"(^|-){word}(-|$)", lambda match: f"{match[1]}{kind}{match[2]}", first)
        other = f"{renamed}.{rest_of_host}"
        secure = f"https://{other}" if kind == "rpc" else f"https://{other}:443"
        named = [secure] if parts.scheme == "https" else [f"http://{other}"]
    same = [f"http://{shown}:{port}"]
    if parts.scheme == "https":
        same.insert(0, f"https://{shown}:{port}")
    return (*named, *same)


def slug(moniker: str) -> str | None:
    """Return a moniker as the name of a stack; None: nothing of it can be one."""
    text = re.sub(r"[^a-z0-9]+", "-", moniker.casefold())[:40].strip("-")
    return text if _NAME.fullmatch(text) else None


def source_of(answer: str) -> dict[str, Any]:
    """Return the source of a secret in the settings, from an answer that names one."""
    kind, _, rest_of = answer.partition(":")
    if kind == "secret":
        namespace, object_name, key = rest_of.split("/")
        return {"secret": {"namespace": namespace, "name": object_name, "key": key}}
    return {kind: rest_of}


def answer_of(source: object) -> str | None:
    """Return the answer that names a source of the settings; None: none does."""
    if not isinstance(source, Mapping):
        return None
    secret = source.get("secret")
    if isinstance(secret, Mapping) and set(secret) == {"namespace", "name", "key"}:
        return f"secret:{secret['namespace']}/{secret['name']}/{secret['key']}"
    return next((f"{kind}:{source[kind]}" for kind in ("keystore", "file", "env") if source.get(kind)), None)


def _source(text: str) -> str:
    kind, colon, rest_of = text.partition(":")
    parts = rest_of.split("/")
    is_secret = kind == "secret" and len(parts) == 3 and all(parts)
    is_key = kind == "keystore" and _KEY.fullmatch(rest_of)
    if not colon or not (is_secret or is_key or (kind in ("file", "env") and rest_of)):
        # The answer is not quoted: it may be the secret itself.
        raise errors.SettingsError(f"not one of the answers that name a secret; use {_SOURCES}")
    try:
        secret_sources.SecretSource.model_validate(source_of(text))
    except pydantic.ValidationError as error:
        raise errors.SettingsError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
    return text


def _given(text: str) -> str:
    if not text:
        raise errors.SettingsError("empty; give one")
    return text


def _stack_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise errors.SettingsError(
            f"{plain_text.one_line(text, 60)!r} is not a name; use up to 40 of a-z, 0-9 and -, such as alice"
        )
    return text
