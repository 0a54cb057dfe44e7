"""Code, help and pages are in plain English: a list of words and phrases is refused."""

import io
import pathlib
import re
import tokenize
from collections.abc import Iterator

import pytest

from tests import documents

REFUSED = {
    "mend": "fix, correct, what to do",
    "mends": "fixes",
    "mended": "fixed",
    "mending": "fixing",
    "anew": "again; recreate",
    "told": "reported, returned, logged",
    "tell": "report, return, say",
    "tells": "reports, returns, says",
    "telling": "reporting",
    "tidings": "event",
    "laid": "written, created",
    "nobody": "name the actor",
    "somebody": "name the actor",
    "purse": "balance",
    "begun": "started",
    "likewise": "as above, or write it out",
    "of now": "current",
    "be had": "is available",
    "is no": "is not a valid",
    "is to be": "will be, should be",
    "comes to": "results in",
    "by itself": "automatically, on its own",
    "so many": "N",
    "another one": "another",
    "run out": "expire",
    "ics arm": "ics sign-state reset",
    "arming": "sign state",
    "signing memory": "sign state",
    "wish": "opt-in request, endpoint update",
    "wishes": "opt-in requests, endpoint updates",
}
"""What is refused, and what to write instead."""
_PHRASES = re.compile(
    r"(?<![a-z])(?:{})(?![a-z])".format(
        "|".join(re.escape(one).replace(r"\ ", r"[\s#]+") for one in REFUSED)
    ),
    re.IGNORECASE,
)
_CAMEL = re.compile(
    r"(?<=[a-z])(?:Mend(?:s|ed|ing)?|Told|Tells?|Anew|Laid|Tidings|Arm(?:s|ing)?|Wish)(?![a-z])"
)
_PLAIN = re.compile(r"there\s+is\s+no\b|is\s+no\s+(?:longer|more|way)\b", re.IGNORECASE)
"""Where `is no` is good English."""


def texts() -> list[pathlib.Path]:
    """Return every file whose words a reader meets: code with its help, pages, examples."""
    root = documents.ROOT
    code = [path for folder in ("ics", "devnet") for path in (root / folder).rglob("*.py")]
    pages = [*root.glob("*.md"), *documents.pages()]
    others = [
        root / name for name in ("reconcile.py", "__main__.py", "Makefile", "Dockerfile", "Pulumi.yaml")
    ]
    found = [*code, *pages, *others, *(root / "stacks").rglob("*.yaml")]
    return sorted(path for path in found if not path.name.endswith("_pb2.py"))


def refused(text: str) -> Iterator[str]:
    """Yield each refused phrase with the number of its line and what to write instead."""
    kept = _PLAIN.sub(lambda found: re.sub(r"\S", "-", found[0]), text)
    for pattern in (_PHRASES, _CAMEL):
        for found in pattern.finditer(kept):
            line = text.count("\n", 0, found.start()) + 1
            words = " ".join(found[0].replace("#", " ").split())
            yield f"line {line}: {words!r}: {REFUSED.get(words.lower(), 'rename it')}"


@pytest.mark.parametrize("path", texts(), ids=lambda path: str(path.relative_to(documents.ROOT)))
def test_text_has_no_refused_word(path: pathlib.Path) -> None:
    assert list(refused(path.read_text())) == []


@pytest.mark.parametrize(
    "text",
    [
        "Mend the file.",
        "def _mend(): pass",
        "raise StackMended",
        "made anew",
        "the peers\n    # of now",
        "it cannot be had",
        "what is\ntold",
        "its ARMING",
        "its _arming_job",
        "this is no chain",
    ],
)
def test_refused_words_are_found(text: str) -> None:
    assert len(list(refused(text))) == 1


@pytest.mark.parametrize(
    "text",
    ["recommend", "amended", "harming", "this is not one", "is none", "plaid", "purser", "there is no pod"],
)
def test_other_words_are_not_refused(text: str) -> None:
    assert list(refused(text)) == []


def joins(code: str) -> Iterator[tuple[int, str]]:
    """Return where two adjacent string literals join two words without a space: the line, and both ends."""
    before: tokenize.TokenInfo | None = None
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type in (tokenize.NL, tokenize.COMMENT):
            continue
        if token.type != tokenize.STRING:
            before = None
            continue
        if before is not None:
            ending, start = _content(before.string)[-12:], _content(token.string)[:12]
            if _ENDING.search(ending) and _START.match(start):
                yield token.start[0], ending + start
        before = token


def _content(literal: str) -> str:
    return literal[re.match(r"\w*['\"]", literal).end() : -1]  # type: ignore[union-attr]  # every literal has one


_ENDING = re.compile(r"(?<!\\)[\w.,;:)`]$")
_START = re.compile(r"[\w`]")


def test_adjacent_literals_join_no_words() -> None:
    """A message of several literals has a space between any two of them."""
    assert list(joins("f('a word.'\n  # why\n  'Another')")) == [(3, "a word.Another")]
    assert list(joins("f('a word. '\n  'Another', 'third')")) == []
    found = [
        f"{path}:{line}: {text!r}"
        for path in sorted((documents.ROOT / "ics").rglob("*.py"))
        for line, text in joins(path.read_text())
    ]
    assert found == []
