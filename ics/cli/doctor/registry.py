"""Query of a registry for an image (OCI distribution specification), anonymous as by a node."""

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
    try:
        answer = await session.head(url, headers={"Accept": _MANIFESTS})
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            token = await _token(answer.headers.get("www-authenticate", ""), session)
            if token:
                headers = {"Accept": _MANIFESTS, "Authorization": f"Bearer {token}"}
                answer = await session.head(url, headers=headers)
    except (httpx.HTTPError, ValueError) as error:
        return f"registry {host} is not reachable ({error or type(error).__name__})"
    if answer.status_code == httpx.codes.NOT_FOUND:
        return f"registry {host} does not have it"
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return f"registry {host} requires a login"
    return "" if answer.is_success else f"registry {host} answers {answer.status_code}"


async def _token(challenge: str, session: httpx.AsyncClient) -> str:
    """Get an anonymous token from the address in the registry's challenge."""
    fields = dict(_CHALLENGE.findall(challenge))
    realm = fields.pop("realm", "")
    if not realm.startswith("https://"):
        return ""
    answer = await session.get(realm, params=fields)
    content = answer.json() if answer.is_success else {}
    return str(content.get("token") or content.get("access_token") or "")
