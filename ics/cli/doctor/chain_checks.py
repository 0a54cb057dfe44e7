"""Judges what the provider told: endpoints, clock, keys, account, description, definitions; pure."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ics import model
from ics.cli.doctor import findings
from ics.cli.doctor.findings import Finding
from ics.conditions import Condition, Severity
from ics.config import chain_definition, settings
from ics.consumer.peers import publication
from ics.keys import derivation
from ics.provider.tx import messages

SKEW_SECONDS = 5.0
"""A block's time is the median of its validators' clocks; theirs differ by less."""
GENERATIONS = 20
"""So many generations of a consumer key are compared with the chain."""
GAS_OF_A_TRANSACTION = 300_000
"""An opt-in with a key takes about 150,000."""
COMFORT = 20
"""Transactions that an account should be able to pay for."""


def clock(newest: datetime.datetime, now: datetime.datetime, max_lag: int) -> Finding:
    """Compare this machine's clock with the provider's newest block.

    Args:
        newest: time of the newest block that any endpoint has.
        now: of this machine.
        max_lag: seconds, see `ics:provider.max_lag`.
    """
    age = (now - newest).total_seconds()
    if age < -SKEW_SECONDS:
        return findings.fail(
            "clock", f"this machine's clock is {-age:.0f} s behind the provider's newest block: run NTP"
        )
    if age > max_lag:
        return findings.warn(
            "clock",
            f"the provider's newest block is {age:.0f} s old: the chain stands still, every endpoint lags, or"
            " this machine's clock is ahead: compare it with NTP",
        )
    return findings.ok("clock", f"the provider's newest block is {max(age, 0):.0f} s old")


def assigned_keys(
    snapshot: model.Snapshot, seed: model.Secret, is_foreign: Sequence[str] = ()
) -> list[Finding]:
    """Compare the keys that the chain has for this validator with those that come from the seed.

    Args:
        snapshot: with details of the chains that concern this validator.
        seed: of the stack.
        is_foreign: consumer ids whose key is not meant to come from the seed.
    """
    wrong, right = [], 0
    for consumer in snapshot.consumers:
        summary, detail = consumer.summary, consumer.detail
        if detail is None or detail.own_consumer_address is None or summary.consumer_id in is_foreign:
            continue
        derived = (
            derivation.derive_consensus_key(seed, snapshot.chain_id, summary.consumer_id, generation).address
            for generation in range(GENERATIONS)
        )
        if detail.own_consumer_address in derived:
            right += 1
        else:
            wrong.append(
                f"consumer {summary.consumer_id} ({summary.chain_id}): the chain has the key with address"
                f" {detail.own_consumer_address.hex().upper()}, which does not come from this seed: give the seed"
                " that it came from, or opt in anew before the launch"
            )
    return findings.of_problems("ics:seed", wrong, f"{right} assigned keys on the chain come from it")


def description(
    own: model.Validator, settings: settings.Settings, seed: model.Secret, address: str | None
) -> list[Finding]:
    """Judge what this validator publishes; see `publishing.problems`."""
    problems = publication.problems(own.details, settings, seed, address)
    return findings.of_problems("description", problems, own.details, findings.Level.WARN)


@dataclass(frozen=True, slots=True)
class Purse:
    """What the provider knows of the signing account."""

    balance: int
    """In the denomination of the gas price."""
    is_known: bool
    """The chain has an account of this address."""


def funds(address: str, settings: settings.Settings, purse: Purse) -> list[Finding]:
    """Judge what the account that pays the fees holds.

    Args:
        address: of the account.
        settings: of the stack.
        purse: what it holds.
    """
    check, found = "ics:account", list[Finding]()
    price, denom = messages.gas_price(settings.provider.gas_price)
    fee = max(1, messages.fee(GAS_OF_A_TRANSACTION, price))
    if purse.balance < fee:
        unknown = "" if purse.is_known else ", which the chain has never seen,"
        found.append(
            findings.fail(
                check,
                f"{address}{unknown} holds {purse.balance}{denom} and a fee takes {fee}{denom}: send it some",
            )
        )
    elif purse.balance < COMFORT * fee:
        found.append(
            findings.warn(
                check,
                f"{address} holds {purse.balance}{denom}, enough for {purse.balance // fee} transactions: send it"
                " some",
            )
        )
    return found or [findings.ok(check, f"{address} holds {purse.balance}{denom}")]


def definitions(loaded: Sequence[chain_definition.Loaded], snapshot: model.Snapshot | None) -> list[Finding]:
    """Judge the chain definitions: their genesis files, and which chains they match.

    Args:
        loaded: all of them.
        snapshot: of the provider, None when it could not be read.
    """
    found = []
    for one in loaded:
        check = f"stacks/chains/{one.definition.name}.yaml"
        if one.problem:
            # A final genesis may come after the launch.
            found.append((findings.warn if one.is_awaited else findings.fail)(check, one.problem))
            continue
        matched = _matched(one, snapshot)
        text = "its genesis file is there"
        if snapshot is not None:
            text += f"; matches {', '.join(matched)}" if matched else "; matches no chain"
        found.append(findings.ok(check, text))
    if not loaded:
        found.append(
            findings.warn("definitions", "there is none in stacks/chains: no chain will be joined: write one")
        )
    return found


def _matched(one: chain_definition.Loaded, snapshot: model.Snapshot | None) -> list[str]:
    return [
        f"{c.summary.chain_id} ({c.summary.consumer_id})"
        for c in (snapshot.consumers if snapshot else ())
        if c.summary.phase is not model.Phase.DELETED
        and chain_definition.may_match(one.definition.match, c.summary.consumer_id, c.summary.chain_id)
    ]


def conditions(reasons: Mapping[str, Sequence[Condition]]) -> list[Finding]:
    """What `ics status` warns of, by chain id (empty: of the validator); information is left aside."""
    found = []
    for chain_id, several in reasons.items():
        for one in several:
            if one.severity is Severity.INFO:
                continue
            level = findings.Level.FAIL if one.severity is Severity.CRITICAL else findings.Level.WARN
            check = f"chain {chain_id}" if chain_id else "validator"
            found.append(Finding(check, level, f"{one.reason}: {one.message}"))
    return found or [findings.ok("conditions", "no chain has one that asks for anything")]
