"""Asks a registry whether it has an image (OCI distribution specification), as a node would, without a login."""

import re
import urllib.parse

import httpx

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
    """Where an image's manifest lies; a name without a host is Docker Hub's, one without a tag is `latest`."""
    name, _, digest = image.partition("@")
    host, slash, path = name.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        host, path = "docker.io", name if slash else f"library/{name}"
    path, colon, tag = path.rpartition(":") if ":" in path else (path, "", "")
    reference = digest or (tag if colon else "latest")
    return f"https://{_DOCKER_HUB if host == 'docker.io' else host}/v2/{path}/manifests/{reference}"


async def problem(image: str, session: httpx.AsyncClient) -> str:
    """Why a registry does not have an image; empty if it has it."""
    url = address(image)
    host = urllib.parse.urlsplit(url).netloc
    try:
        answer = await session.head(url, headers={"Accept": _MANIFESTS})
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            token = await _token(answer.headers.get("www-authenticate", ""), session)
            if token:
                headers = {"Accept": _MANIFESTS, "Authorization": f"Bearer {token}"}
                answer = await session.head(url, headers=headers)
    except (httpx.HTTPError, ValueError) as error:
        return f"the registry {host} is not reached ({error or type(error).__name__})"
    if answer.status_code == httpx.codes.NOT_FOUND:
        return f"the registry {host} has no such image"
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return f"the registry {host} gives it to nobody without a login"
    return "" if answer.is_success else f"the registry {host} answers {answer.status_code}"


async def _token(challenge: str, session: httpx.AsyncClient) -> str:
    """An anonymous token, as the registry's challenge says where to get one."""
    fields = dict(_CHALLENGE.findall(challenge))
    realm = fields.pop("realm", "")
    if not realm.startswith("https://"):
        return ""
    answer = await session.get(realm, params=fields)
    found = answer.json() if answer.is_success else {}
    return str(found.get("token") or found.get("access_token") or "")
