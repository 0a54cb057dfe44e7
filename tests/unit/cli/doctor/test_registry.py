"""Checks of images in a registry."""

import httpx
import pytest

from ics.cli.doctor import registry


@pytest.mark.parametrize(
    ("image", "url"),
    [
        (
            "ghcr.io/cosmos/interchain-security:v7.0.1",
            "https://ghcr.io/v2/cosmos/interchain-security/manifests/v7.0.1",
        ),
        (
            "informalsystems/hermes:1.13.1",
            "https://registry-1.docker.io/v2/informalsystems/hermes/manifests/1.13.1",
        ),
        ("busybox", "https://registry-1.docker.io/v2/library/busybox/manifests/latest"),
        ("localhost:5000/a/b", "https://localhost:5000/v2/a/b/manifests/latest"),
        ("a.example/b@sha256:00", "https://a.example/v2/b/manifests/sha256:00"),
    ],
)
def test_image_name_becomes_registry_address(image: str, url: str) -> None:
    assert registry.address(image) == url


async def asked(answers: dict[str, httpx.Response | Exception]) -> str:
    def handle(request: httpx.Request) -> httpx.Response:
        key = f"{request.method} {request.url.host} {request.headers.get('authorization', '')}".strip()
        answer = answers[key]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as session:
        return await registry.problem("r.example/a:1", session)


async def test_existing_image_has_no_problem() -> None:
    assert await asked({"HEAD r.example": httpx.Response(200)}) == ""


async def test_image_check_uses_anonymous_token() -> None:
    challenge = {"www-authenticate": 'Bearer realm="https://auth.example/token",service="r",scope="pull"'}
    found = await asked(
        {
            "HEAD r.example": httpx.Response(401, headers=challenge),
            "GET auth.example": httpx.Response(200, json={"token": "t"}),
            "HEAD r.example Bearer t": httpx.Response(404),
        }
    )
    assert found == "registry r.example does not have it"


async def test_registry_refusals_and_errors_are_reported() -> None:
    assert await asked({"HEAD r.example": httpx.Response(401)}) == ("registry r.example requires a login")
    assert await asked({"HEAD r.example": httpx.Response(500)}) == "registry r.example answers 500"
    assert await asked({"HEAD r.example": httpx.ConnectError("no route")}) == (
        "registry r.example is not reachable (no route)"
    )
