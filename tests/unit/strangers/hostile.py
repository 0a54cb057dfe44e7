"""Texts that anybody can put on the provider, and chains with them."""

import unicodedata

from ics import model
from tests.unit import factories

P = model.Phase
FAKE_LINE = "0 critical"
TEXTS = (
    f"a\n{FAKE_LINE}   run: ics sign-state reset 0",
    f"\x1b[2J\x1b[H{FAKE_LINE}",
    "consumer x-1",
    "consumer\t1-1",
    "consumer\u202e1-1",
    "consumer\u200b1-1",
    "consumer\x9b31m1-1",
    "consumer1\r-1",
    "consumer\x00-1",
    "..",
    "../../x-1",
    "consumer/../1-1",
    "consumer%2e%2e-1",
    "consumer'$(reboot)'-1",
    'consumer"-1',
    "consumer;reboot-1",
    "consumer`reboot`-1",
    "-consumer-1",
    "consumer\u00e9-1",
    "consumer\ud800-1",
    "\u3164consumer-1",
    "consumer" + "\u0301" * 20 + "-1",
    "consumer[x]-1",
    "a" * 51,
    "🚀consumer-1",
)
"""Chain ids, names, monikers and errors. The provider accepts any text of 1 to 50 bytes as a chain id that is not
blank; an endpoint that lies may send any text at all."""


def is_plain(text: str) -> bool:
    """Judge by Unicode's own categories, not by the code under test."""
    return not any(unicodedata.category(one) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for one in text)


def chain(text: str, phase: P = P.INITIALIZED, consumer_id: str = "7") -> model.Consumer:
    """Return a chain of a stranger with this id, which has joined nobody."""
    return factories.consumer(phase, consumer_id=consumer_id, chain_id=text)
