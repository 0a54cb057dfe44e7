"""Remedies for transactions that the chain rejects, selected by its error text; pure.

The texts come from interchain-security v7.0.1 (x/ccv/provider) and cosmos-sdk v0.50 (authz, feegrant, slashing,
staking).
"""

import re

_REMEDIES = tuple(
    (re.compile(text), remedy)
    for text, remedy in (
        # The owner's messages.
        (
            "expected owner address (\\S+), got",
            "only the owner {0} may do this; use its key as ics:account, or let {0} grant the message (ics:granter)",
        ),
        ("has to be in its launched phase", "only LAUNCHED chains can be removed; see ics consumer show"),
        (
            "not in the registered, initialized, or launched phase",
            "the chain does not exist, or is STOPPED or DELETED; see ics consumer list",
        ),
        ("cannot retrieve owner address", "the consumer id does not exist; see ics consumer list"),
        (
            "an already launched chain",
            "after the launch, only metadata, power shaping, infraction parameters, reward denominations and"
            " the owner can be changed",
        ),
        ("cannot update chain id of a non-prelaunched chain", "the id of a launched chain cannot be changed"),
        (
            "Top N chain.*gov module|only be done if chain is owner is the gov module",
            "transfer the ownership to governance first (ics consumer update --new-owner), then set top_N by a"
            " proposal",
        ),
        ("only be done if `Top N` is set to 0", "set top_N to 0 by a proposal first"),
        ("cannot create a Top N chain", "create the chain with top_N 0 first"),
        (
            "doesn't match revision number",
            "the revision of the initial height must equal the number at the end of the chain id",
        ),
        ("cannot use a reserved chain id", "choose another chain id"),
        ("invalid new owner address", "use an account address of the provider"),
        ("no consumer chain with this consumer id", "see ics consumer list"),
        # The validator's messages.
        ("commission rate cannot be less than (\\S+?):", "set a rate of at least {0}"),
        ("validator not jailed", "no action is needed"),
        (
            "validator still jailed",
            "its jail time has not expired, or it is tombstoned, which is permanent; see ics unjail",
        ),
        (
            "self delegation less than minimum|no self-delegation|no delegation for",
            "delegate to the validator from its own account first",
        ),
        ("validator does not exist", "check ics:operator_address: it is not a validator of this chain"),
        ("already opted in to a chain with the same chain id", "opt out of the other chain first"),
        ("consumer key is already in use", "check whether another validator, or an old key, uses it"),
        ("cannot opt out from a Top N chain", "keep the node running: the validator is in the chain's top N"),
        ("opting out of a consumer chain not yet launched", "only LAUNCHED chains can be left"),
        # Grants.
        ("authorization not found", "let the granter grant this type of message; see ics doctor"),
        ("authorization expired", "let the granter renew its grant"),
        ("requested amount is more than spend limit", "let the granter raise the spend limit of its grant"),
        (
            "fee-grant not found|no allowance|fee allowance expired",
            "let the fee granter grant or renew an allowance",
        ),
        ("message not allowed", "let the fee granter allow /cosmos.authz.v1beta1.MsgExec, too"),
        ("fee limit exceeded", "let the fee granter renew its allowance, which is used up"),
    )
)


def explain(text: str) -> str:
    """Return the chain's text, followed by the remedy if one is known."""
    for pattern, remedy in _REMEDIES:
        match = pattern.search(text)
        if match is not None:
            return f"{text}; {remedy.format(*match.groups())}"
    return text
