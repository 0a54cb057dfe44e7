"""Query of a registry for an image (OCI distribution specification), anonymous as by a node."""

import re
import urllib.parse

import httpx

from ics import web
from ics.cosmos import answers

_MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_DOCKER_HUB = "registry-1.docker.io"
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


def address(image: str) -> str:
    """Return the URL of an image's manifest; the default host is Docker Hub, the default tag `latest`."""
    name, _, digest = image.partition("@")
    host, slash, path = name.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        host, path = "docker.io", name if slash else f"library/{name}"
    path, colon, tag = path.rpartition(":") if ":" in path else (path, "", "")
    reference = digest or (tag if colon else "latest")
    return f"https://{_DOCKER_HUB if host == 'docker.io' else host}/v2/{path}/manifests/{reference}"


async def problem(image: str, session: httpx.AsyncClient) -> str:
    """Return why a registry cannot provide an image; empty if it can."""
    url = address(image)
    host = urllib.parse.urlsplit(url).netloc

    async def look(**headers: str) -> web.Answer:
        request = session.build_request("HEAD", url, headers={"Accept": _MANIFESTS} | headers)
        return await web.exchange(session, request, web.ANSWER, follows=True)

    try:
        answer = await look()
        if answer.status == httpx.codes.UNAUTHORIZED:
            token = await _token(answer.headers.get("www-authenticate", ""), session)
            if token:
                answer = await look(Authorization=f"Bearer {token}")
    except (httpx.HTTPError, web.Unacceptable, TimeoutError, ValueError) as error:
        return f"registry {host} is not reachable ({str(error) or type(error).__name__})"
    if answer.status == httpx.codes.NOT_FOUND:
        return f"registry {host} does not have it"
    if answer.status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return f"registry {host} requires a login"
    return "" if answer.is_success else f"registry {host} answers {answer.status}"


async def _token(challenge: str, session: httpx.AsyncClient) -> str:
    """Get an anonymous token from the address in the registry's challenge."""
    fields = dict(_CHALLENGE.findall(challenge))
    realm = fields.pop("realm", "")
    if not realm.startswith("https://"):
        return ""
    request = session.build_request("GET", realm, params=fields, headers={"Accept-Encoding": "gzip"})
    answer = await web.exchange(session, request, web.ANSWER, follows=True)
    content = answers.parse_json(answer.body) if answer.is_success else {}
    return (
        ""
        if not isinstance(content, dict)
        else str(content.get("token") or content.get("access_token") or "")
    )
