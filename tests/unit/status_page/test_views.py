"""The pages as HTML."""

import dataclasses
import datetime
import html.parser
import json
import re

import pytest

from ics import plain_text
from ics.conditions import CATALOGUE
from ics.monitoring import alerts, metrics
from ics.status_page import chains, document, state, views
from tests.pictures import scene
from tests.unit.strangers import hostile

NIGHT = scene.page()
PAGES = (
    views.overview(NIGHT),
    *(views.chain(NIGHT, chain.consumer_id) or "" for chain in scene.CHAINS),
    views.passes(NIGHT),
    views.runbooks(NIGHT),
)


class Reader(html.parser.HTMLParser):
    """Elements and texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            del self._inside[len(self._inside) - 1 - self._inside[::-1].index(tag) :]

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self._inside):
            self.texts.append(data)

    @property
    def text(self) -> str:
        """All text as one line."""
        return " ".join(" ".join(self.texts).split())

    def links(self) -> set[str]:
        """All addresses that the page links to."""
        return {attributes["href"] or "" for tag, attributes in self.elements if tag == "a"}


def test_first_page_says_first_what_is_wrong_and_what_to_do() -> None:
    text = Reader(views.overview(NIGHT)).text
    order = [
        "harbor-1 does not sign",
        "3 of 4 chains sign",
        "harbor-1 does not sign: 6,120 of 9,500 allowed blocks missed",
        "NoPeers warning",
        "What to do",
        "NotSigning warning",
        "lumen-1",
        "UpgradeImageMissing critical",
        "meridian-2",
        "TopUpsLimited",
        "alice",
        "EndpointTrouble",
        "Coming up",
        "in 11 min 30 s tide-1 launches",
        "10 of 11 checks are ok",
        "in 20 h 42 min lumen-1 upgrades to v5",
        "Chains",
        "harbor-1 7 · launched",
        "6,120 of 9,500",
        "8 other chains",
        "Last passes",
        "no answer within 15 s",
        "The next pass",
        "Found 3 s ago at provider height 23,418,067, acting",
    ]
    at = 0
    for expected in order:
        assert expected in text[at:], expected
        at = text.index(expected, at)


def test_first_page_once_all_is_fixed() -> None:
    text = Reader(views.overview(scene.page(is_calm=True))).text
    assert "All is well 4 of 4 chains sign" in text
    assert "What to do" not in text


def test_page_before_the_first_pass() -> None:
    page = dataclasses.replace(
        NIGHT, report=None, samples=(), observed=None, passes=(), problem="no pass yet"
    )
    text = Reader(views.overview(page)).text
    assert "Outdated. no pass yet" in text
    assert "No pass has judged the chains yet" in text
    assert views.chain(page, "7") is None


@pytest.mark.parametrize("role", state.Role)
def test_page_says_in_what_role_it_is_served(role: state.Role) -> None:
    assert Reader(views.overview(scene.page(role=role))).text.count(f", {role.value} status.json") == 1


def test_page_says_how_old_it_is() -> None:
    page = dataclasses.replace(
        NIGHT, problem="the cluster does not answer", now=scene.NOW + datetime.timedelta(minutes=12)
    )
    text = Reader(views.overview(page)).text
    assert "Outdated. the cluster does not answer — what follows was found 12 min 3 s ago ." in text


def test_page_of_a_chain_that_awaits_its_launch_has_the_checklist() -> None:
    shown = views.chain(NIGHT, "14")
    assert shown is not None
    text = Reader(shown).text
    assert "launches in 11 min 30 s" in text
    for entry in scene.CHECKLIST.entries:
        assert f"{entry.item.value} {entry.state.value} {entry.text}" in text


def test_page_of_a_running_chain() -> None:
    shown = views.chain(NIGHT, "7")
    assert shown is not None
    text = Reader(shown).text
    for expected in (
        "does not sign (30 of 34 signed the last block)",
        "What to do",
        "Look at:",
        "0, 6 of its persistent peers missing",
        "6,120 of 9,500 allowed, in 10,000",
        "61.4 GiB of 98.0 GiB",
        "Client on the provider expires in 11 d",
        "Account of Hermes, on the provider 612,400 uatom of 750,000",
    ):
        assert expected in text, expected


def test_preview_is_shown_where_it_was_asked_for() -> None:
    assert "?plan#plan" in views.overview(NIGHT)
    text = Reader(views.overview(scene.page(preview=scene.PREVIEW))).text
    assert "As found 8 s ago ; nothing was changed." in text
    assert "opt in to tide-1" in text
    failed = state.Preview(made=scene.NOW, problem="the cluster does not answer")
    assert "the cluster does not answer" in Reader(views.overview(scene.page(preview=failed))).text


def test_every_link_leads_somewhere() -> None:
    known = {"/", "/passes", "/runbooks", "/status.json", "/metrics", "/?plan#plan"}
    known |= {f"/chains/{chain.consumer_id}" for chain in (*scene.CHAINS, *scene.STRANGERS)}
    runbooks = Reader(views.runbooks(NIGHT))
    anchors = {attributes["id"] for _, attributes in runbooks.elements if "id" in attributes}
    assert {alert.anchor for alert in alerts.ALERTS} <= anchors
    assert {reason.value.lower() for reason in CATALOGUE} <= anchors
    for link in set().union(*(Reader(page).links() for page in PAGES)):
        path, _, anchor = link.partition("#")
        assert link in known or (path in ("/runbooks", "") and anchor in anchors), link


@pytest.mark.parametrize("text", [scene.HOSTILE, '"><img src=x onerror=alert(1)>', *hostile.TEXTS])
def test_hostile_text_is_text(text: str) -> None:
    chain = dataclasses.replace(scene.CHAINS[1], chain_id=text)
    conditions = tuple(dataclasses.replace(one, message=text) for one in chain.conditions)
    chain = dataclasses.replace(chain, conditions=conditions)
    report = NIGHT.report
    assert report is not None
    record = dataclasses.replace(scene.PASSES[3], changes=(text,), troubles=(text,), triggers=(text,))
    page = dataclasses.replace(
        NIGHT,
        report=dataclasses.replace(report, chains=(chain, *report.chains)),
        passes=(record,),
        problem=text,
        preview=state.Preview(made=scene.NOW, lines=(text,)),
    )
    known = {tag for drawn in PAGES for tag, _ in Reader(drawn).elements}
    for shown in (views.overview(page), views.chain(page, chain.consumer_id) or "", views.passes(page)):
        found = Reader(shown)
        assert {tag for tag, _ in found.elements} <= known
        assert sum(tag == "script" for tag, _ in found.elements) == 1
        assert not [name for _, attributes in found.elements for name in attributes if name.startswith("on")]
        assert plain_text.visible(text).strip() in "".join(found.texts)
        for line in shown.splitlines():
            assert line == plain_text.visible(line)


def test_every_page_has_one_style_and_one_script_which_the_header_allows() -> None:
    policy = views.security_headers()["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for shown in PAGES:
        for tag in ("script", "style"):
            [source] = re.findall(f"<{tag}>(.*?)</{tag}>", shown, re.DOTALL)
            assert views.hash_of(source) in policy
        assert " style=" not in shown


def test_commands_of_the_catalogues_are_code() -> None:
    shown = views.runbooks(NIGHT)
    assert "<code>ics status</code>" in shown
    assert "`" not in Reader(shown).text
    assert "](" not in Reader(shown).text


def test_json_is_that_of_the_status_with_the_passes() -> None:
    found = document.of(NIGHT)
    assert NIGHT.report is not None
    assert json.loads(json.dumps(found)) == {
        **NIGHT.report.as_dict(),
        "role": "acting",
        "problem": None,
        "observed": "2027-03-09T03:12:38+00:00",
        "passes": found["passes"],
    }
    assert found["passes"][3] == {
        "ended": "2027-03-09T03:11:06+00:00",
        "seconds": 16.2,
        "height": 23418052,
        "triggers": [],
        "result": "trouble",
        "changes": [],
        "troubles": ["https://rest.hub.example: no answer within 15 s"],
    }


def test_chains_that_need_the_operator_come_first() -> None:
    ids = [view.report.chain_id for view in chains.all_of(NIGHT) if view.is_ours]
    assert ids == ["harbor-1", "lumen-1", "meridian-2", "tide-1", "atlas-1"]


def test_page_of_a_chain_shows_what_it_brings_and_costs() -> None:
    chain = scene.CHAINS[0]
    labels = (NIGHT.identity.validator, chain.consumer_id, chain.chain_id)
    more = (
        metrics.REWARDS_OUTSTANDING.of(12345.6, *labels, "ibc/AB", hostile.TEXTS[0]),
        metrics.REWARDS_COMMISSION.of(1234.5, *labels, "ibc/AB", hostile.TEXTS[0]),
        metrics.CHAIN_FEES.of(77, *labels, "stake"),
        metrics.CHAIN_FUNDING.of(5000, *labels, "stake"),
    )
    page = dataclasses.replace(NIGHT, samples=(*NIGHT.samples, *more))
    text = Reader(views.chain(page, chain.consumer_id) or "").text
    assert "Commission, not withdrawn 1,234 " in text
    assert "of 12,346 with delegators" in text
    assert "Fees on the provider 77 stake Sent to its relayer there 5,000 stake" in text
    assert hostile.is_plain(text)
    assert "Rewards and costs" not in Reader(views.chain(NIGHT, chain.consumer_id) or "").text
