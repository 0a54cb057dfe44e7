"""Requests to the Alertmanagers of a stack; each gets all alerts, as from Prometheus."""

import asyncio
import contextlib
import datetime
import email.utils
import json
from collections.abc import AsyncIterator, Mapping, Sequence

import httpx

from ics import errors, plain_text, proxies, web
from ics.config import monitoring as config_monitoring
from ics.config.endpoint import Endpoint
from ics.monitoring import notifications

_LIMITS = web.Limits(seconds=10.0, size=2**20)
_SHOWN = 200
"""Characters of an answer in a message."""


@contextlib.asynccontextmanager
async def opened(transport: httpx.AsyncBaseTransport | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """Open the client for all requests.

    Args:
        transport: instead of the network.
    """
    async with proxies.new_client(transport=transport, timeout=_LIMITS.seconds) as session:
        yield session


async def push(
    session: httpx.AsyncClient,
    settings: config_monitoring.MonitoringSettings,
    alerts: Sequence[notifications.Notification],
    now: datetime.datetime,
) -> Mapping[Endpoint, errors.IcsError | None]:
    """Push alerts to all Alertmanagers; return the error of each, None if it has taken them.

    Args:
        session: client.
        settings: with the addresses.
        alerts: the alerts.
        now: the time.
    """
    body = json.dumps([alert.as_dict(now, settings.resolve_after) for alert in alerts]).encode()

    async def send(endpoint: Endpoint) -> errors.IcsError | None:
        answer = await _answer(session, endpoint, "POST", "/api/v2/alerts", body)
        if isinstance(answer, errors.IcsError):
            return answer
        return _clock_problem(endpoint, answer.headers.get("date", ""), now, settings.resolve_after)

    found = await asyncio.gather(*map(send, settings.alertmanager))
    return dict(zip(settings.alertmanager, found, strict=True))


async def readiness_problem(session: httpx.AsyncClient, endpoint: Endpoint) -> errors.IcsError | None:
    """Return why an Alertmanager is not ready; None if it is."""
    answer = await _answer(session, endpoint, "GET", "/-/ready", None)
    return answer if isinstance(answer, errors.IcsError) else None


def _clock_problem(
    endpoint: Endpoint, date: str, now: datetime.datetime, seconds: float
) -> errors.IcsError | None:
    """Return the error of an Alertmanager whose clock is so far ahead that it takes new alerts for ended ones.

    Args:
        endpoint: the Alertmanager.
        date: its answer's header `Date` (RFC 9110); empty: it has none.
        now: time of the push.
        seconds: after which its alerts end.
    """
    try:
        there = email.utils.parsedate_to_datetime(date)
    except ValueError:
        return None
    if there.tzinfo is None or (there - now).total_seconds() <= seconds / 2:
        return None
    return errors.Permanent(
        f"{endpoint}: its clock is more than {seconds / 2:g} s ahead of this machine's, so alerts end there too early,"
        " or never begin; synchronise both with NTP"
    )


async def _answer(
    session: httpx.AsyncClient, endpoint: Endpoint, method: str, path: str, body: bytes | None
) -> web.Answer | errors.IcsError:
    headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip", **endpoint.header_values()}
    try:
        request = session.build_request(method, endpoint.address(path), content=body, headers=headers)
        answer = await web.exchange(session, request, _LIMITS)
    except TimeoutError:
        return errors.Transient(f"{endpoint}: no answer within {_LIMITS.seconds:g} s")
    except web.Unacceptable as error:
        return errors.Transient(f"{endpoint}: {error}")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        text = plain_text.one_line(endpoint.hide(str(error)), _SHOWN) or type(error).__name__
        return errors.Transient(f"{endpoint}: {text}")
    if answer.is_success:
        return answer
    text = plain_text.one_line(endpoint.hide(answer.body[:_SHOWN].decode(errors="replace")), _SHOWN)
    return errors.Permanent(
        f"{endpoint}: answers {answer.status} to {path}{f': {text}' if text else ''};"
        " correct ics:monitoring.alertmanager"
    )
