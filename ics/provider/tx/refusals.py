"""What to do when the chain refuses a transaction, by its own words; pure.

Texts are those of interchain-security v7.0.1 (x/ccv/provider) and cosmos-sdk v0.50 (authz, feegrant,
slashing, staking).
"""

import re

_MENDS = tuple(
    (re.compile(text), mend)
    for text, mend in (
        # The owner's messages.
        (
            "expected owner address (\\S+), got",
            "only its owner may: sign with the key of {0} (ics:account), or have {0} grant it (ics:granter)",
        ),
        ("has to be in its launched phase", "one removes LAUNCHED chains only: see ics consumer show"),
        (
            "not in the registered, initialized, or launched phase",
            "no such chain, or it is STOPPED or DELETED: see ics consumer list",
        ),
        ("cannot retrieve owner address", "there is no such consumer id: see ics consumer list"),
        (
            "an already launched chain",
            "after the launch only metadata, power shaping, infraction parameters, reward denominations and"
            " the owner can be changed",
        ),
        ("cannot update chain id of a non-prelaunched chain", "a launched chain keeps its id"),
        (
            "Top N chain.*gov module|only be done if chain is owner is the gov module",
            "make governance its owner first (ics consumer update --new-owner), then let a proposal set top_N",
        ),
        ("only be done if `Top N` is set to 0", "let a proposal set top_N to 0 first"),
        ("cannot create a Top N chain", "create it with top_N 0 first"),
        (
            "doesn't match revision number",
            "the initial height's revision is the number at the chain id's end",
        ),
        ("cannot use a reserved chain id", "take another chain id"),
        ("invalid new owner address", "write an account address of the provider"),
        ("no consumer chain with this consumer id", "see ics consumer list"),
        # The validator's messages.
        ("commission rate cannot be less than (\\S+?):", "give at least {0}"),
        ("validator not jailed", "nothing is to be done"),
        (
            "validator still jailed",
            "its jail time is not over, or it is tombstoned, which is for good: see ics unjail",
        ),
        (
            "self delegation less than minimum|no self-delegation|no delegation for",
            "delegate to the validator from its own account first",
        ),
        ("validator does not exist", "ics:operator_address is no validator of this chain"),
        ("already opted in to a chain with the same chain id", "opt out of the other one first"),
        ("consumer key is already in use", "look whether another validator, or an old key, has it"),
        ("cannot opt out from a Top N chain", "the chain has this validator in its top N: its node must run"),
        ("opting out of a consumer chain not yet launched", "one opts out of LAUNCHED chains only"),
        # Grants.
        ("authorization not found", "the granter must grant this message's type: see ics check-config"),
        ("authorization expired", "the granter must grant it anew"),
        ("requested amount is more than spend limit", "the granter must raise the spend limit of its grant"),
        (
            "fee-grant not found|no allowance|fee allowance expired",
            "the fee granter must grant an allowance (anew)",
        ),
        ("message not allowed", "the fee granter must allow /cosmos.authz.v1beta1.MsgExec as well"),
        ("fee limit exceeded", "the fee granter's allowance is used up: it must be granted anew"),
    )
)


def told(text: str) -> str:
    """The chain's text, with the mend after it where one is known."""
    for pattern, mend in _MENDS:
        match = pattern.search(text)
        if match is not None:
            return f"{text}: {mend.format(*match.groups())}"
    return text
