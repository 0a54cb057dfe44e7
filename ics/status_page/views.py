"""The pages as HTML; pure.

Strangers' texts reach a browser only through `_shown` and the escaping of jinja2. Style and script are inline, and the
header of `security_headers` allows those two and nothing else.
"""

import base64
import datetime
import functools
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import jinja2
import markupsafe

from ics import plain_text
from ics.conditions import CATALOGUE, Severity
from ics.consumer import status
from ics.monitoring import alerts
from ics.status_page import chains, durations, state
from ics.status_page import fleet as status_fleet

REFRESH: Final = 10
"""Seconds after which a browser without JavaScript loads a page again."""
_FEW: Final = 5
"""Passes on the first page."""
_LINK: Final = re.compile(r"\[([^]]*)\]\([^)]*\)")


def overview(page: state.PageState) -> str:
    """Return the page of all chains."""
    views = chains.all_of(page)
    ours = [view for view in views if view.is_ours]
    due = [view for view in ours if view.must_sign]
    return _render(
        "overview.html",
        page,
        concerns=chains.concerns(page, views),
        coming=chains.coming(page, views),
        ours=ours,
        others=[view for view in views if not view.is_ours],
        due=due,
        signing=[view for view in due if view.signs],
        unsigned=[view for view in due if view.misses],
        passes=page.passes[:_FEW],
    )


def chain(page: state.PageState, consumer_id: str) -> str | None:
    """Return the page of one chain; None: there is no such chain."""
    found = next((one for one in chains.all_of(page) if one.report.consumer_id == consumer_id), None)
    return None if found is None else _render("chain.html", page, view=found)


def passes(page: state.PageState) -> str:
    """Return the page of the last passes."""
    return _render("passes.html", page)


def runbooks(page: state.PageState) -> str:
    """Return the page of what to do about each alert and each condition."""
    return _render(
        "runbooks.html",
        page,
        alerts=alerts.ALERTS,
        conditions=CATALOGUE.items(),
        alerts_of={
            reason: [alert for alert in alerts.ALERTS if re.search(rf"\b{reason}\b", alert.expression)]
            for reason in CATALOGUE
        },
    )


def fleet(members: Sequence[status_fleet.Member], now: datetime.datetime, version: str, tag: str) -> str:
    """Return the page of several validators.

    Args:
        members: the stacks.
        now: the present.
        version: of the operator.
        tag: differs whenever anything but `now` does.
    """
    views = status_fleet.views(members)
    troubled = [one for one in views if one.tone in ("critical", "warning")]
    template = _environment().get_template("fleet.html")
    return template.render(views=views, troubled=troubled, now=now, version=version, tag=tag)


@functools.cache
def security_headers() -> Mapping[str, str]:
    """Return the headers of every answer, with the hashes of the style and the script."""
    script, style = (hash_of(_source(name)) for name in ("live.js", "style.css"))
    policy = (
        f"default-src 'none'; script-src '{script}'; style-src '{style}'; connect-src 'self'; img-src data:;"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }


def hash_of(source: str) -> str:
    """Return how a security policy names an inline style or script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def _render(name: str, page: state.PageState, **values: Any) -> str:
    return _environment().get_template(name).render(page=page, **values)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ics.status_page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
        auto_reload=False,
    )
    environment.filters |= {
        "code": _code,
        "number": durations.number,
        "size": durations.size,
        "words": durations.words,
    }
    environment.globals |= {
        "relative": durations.relative,
        "style": markupsafe.Markup(_source("style.css")),  # noqa: S704 - the project's own file
        "script": markupsafe.Markup(_source("live.js")),  # noqa: S704 - the project's own file
        "refresh": REFRESH,
        "severities": Severity,
    }
    return environment


@functools.cache
def _source(name: str) -> str:
    loader = jinja2.PackageLoader("ics.status_page")
    source, _, _ = loader.get_source(jinja2.Environment(autoescape=True), name)
    return source


def _shown(value: object) -> object:
    """Return a value as it may be shown: of a text, every character is visible."""
    if isinstance(value, markupsafe.Markup) or not isinstance(value, str):
        return value
    return plain_text.visible(value)


def _code(text: str, chain: status.ChainReport | None = None) -> markupsafe.Markup:
    """Return a text of the catalogues, whose commands are between backticks, as HTML.

    Args:
        text: the text.
        chain: stands for the words in capitals; None: they stay.
    """
    if chain is not None:
        text = text.replace("CONSUMER_ID", chain.consumer_id)
        text = text.replace("NAMESPACE", chain.namespace or "NAMESPACE")
    parts = plain_text.visible(_LINK.sub(r"\1", text)).split("`")
    if len(parts) % 2 == 0:  # a backtick without its partner is a character
        return markupsafe.escape(text)
    pieces = [
        markupsafe.Markup("<code>{}</code>").format(part) if index % 2 else markupsafe.escape(part)
        for index, part in enumerate(parts)
    ]
    return markupsafe.Markup("").join(pieces)
