"""The steps of `ics init` about the provider: its addresses and the validator on it."""

from collections.abc import Callable
from typing import Any

from ics import errors
from ics.cli.init import found, provider_probes, questions
from ics.cli.init.session import Session
from ics.cosmos import addresses

ProbeOf = Callable[[str], provider_probes.ProviderProbe]
"""Returns what asks the provider at a REST address."""


async def find_chain(
    session: Session, probe_of: ProbeOf
) -> tuple[found.Provider, provider_probes.ProviderProbe]:
    """Find the chain by one REST address, then the other addresses of the node."""
    rest = session.talk.ask(questions.rest(session.earlier.text("provider", "rest")))
    probe = probe_of(rest)
    chain = await probe.provider()
    session.talk.say(*chain.lines())
    rpc = await _address(session, probe, chain, rest, "rpc")
    grpc = await _address(session, probe, chain, rest, "grpc")
    price = session.talk.ask(questions.gas_price(chain, session.earlier.text("provider", "gas_price")))
    more = session.earlier.group("provider")
    values = {
        "chain_id": chain.chain_id,
        "rest": _first_replaced(more.get("rest"), rest),
        "rpc": _first_replaced(more.get("rpc"), rpc),
        "grpc": _first_replaced(more.get("grpc"), grpc),
        "gas_price": price,
    }
    pruned = (
        []
        if chain.is_archive
        else [
            "for chains joined long after their launch, archive_rest: [URL] names a node that keeps old heights"
        ]
    )
    session.draft.put(
        "provider", values, "more addresses in each list are asked if the first one fails", *pruned
    )
    return chain, probe


async def _address(
    session: Session, probe: provider_probes.ProviderProbe, chain: found.Provider, rest: str, kind: str
) -> str:
    """Ask for the RPC or gRPC address, with the first guess that works as the default, and try the answer."""
    attempt = {"rpc": probe.rpc, "grpc": probe.grpc}[kind]
    earlier = session.earlier.text("provider", kind)
    guessed = [] if session.talk.is_given(kind) or earlier else questions.guesses(rest, kind)
    usable = [each.url for each in await attempt(guessed, chain.chain_id) if not each.problem]
    while True:
        question = questions.address(kind, usable, earlier)
        url = session.talk.ask(question)
        [tried] = await attempt([url], chain.chain_id)
        if not tried.has_index:
            session.talk.say(
                f'{url}: does not index transactions; confirmations need tx_index.indexer = "kv"'
            )
        if not tried.problem:
            return url
        if not session.talk.is_asking or session.talk.is_given(kind):
            raise errors.SettingsError(f"{question.flag.partition(' ')[0]}: {tried.problem}")
        session.talk.say(tried.problem)


async def find_validator(session: Session, probe: provider_probes.ProviderProbe) -> found.Validator:
    """Find the validator by its address, its account or its moniker."""
    earlier = session.earlier.values.get("operator_address")
    wanted = session.talk.ask(questions.validator(earlier if isinstance(earlier, str) else None))
    listed = await probe.validators(_operator_address(wanted))
    validator = found.search(wanted, listed)
    session.talk.say(validator.line())
    session.draft.put("operator_address", validator.operator_address)
    return validator


def _first_replaced(earlier: object, address: str) -> list[Any]:
    """Return the addresses of an earlier file with this one in place of the first; one with headers is kept."""
    listed = list(earlier) if isinstance(earlier, list | tuple) else []
    kept = listed[1:] if listed and isinstance(listed[0], str) else listed
    return [address, *(each for each in kept if each != address)]


def _operator_address(wanted: str) -> str | None:
    """Return the operator address that an answer names, itself or by its account; None: it is a moniker."""
    try:
        prefix, raw = addresses.decode(wanted)
    except errors.SettingsError:
        return None
    return wanted if prefix.endswith("valoper") else addresses.encode(f"{prefix}valoper", raw)
