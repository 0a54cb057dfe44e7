"""Names of container images."""

import pytest

from ics import errors
from ics.cosmos import images

SHA = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    "image",
    [
        "busybox",
        "busybox:1.37",
        "ghcr.io/cosmos/interchain-security:v7.0.1",
        "localhost:5000/a/b_c/d--e:T.1",
        f"registry.example.com/neutron@{SHA}",
        f"neutron:v1@{SHA}",
        "[2001:db8::1]:5000/a",
    ],
)
def test_names_that_a_runtime_takes(image: str) -> None:
    images.check(image)


@pytest.mark.parametrize(
    "image",
    [
        "",
        " busybox",
        "Neutron",
        "https://ghcr.io/a/b",
        "ghcr.io/Cosmos/interchain-security",
        "a:b:c",
        "a:",
        "a//b",
        "a@sha256:abc",
        f"a@sha256:{'0' * 40}",
        "a" * 256,
        "neutron:v1\n",
    ],
)
def test_other_names_are_refused(image: str) -> None:
    with pytest.raises(errors.SettingsError, match=r"image|digest"):
        images.check(image)
