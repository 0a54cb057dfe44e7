"""The images of a chain's later software, in the order in which its node needs them; pure."""

import itertools
from collections.abc import Sequence

import pydantic

from ics.config import base, units


class Upgrade(base.Frozen):
    """A later version of a chain's software, and from when on a node needs it.

    With a name and a height it is an upgrade by the chain's own plan; with a height and `halt` one that the validators
    have agreed upon without a plan; with neither it changes nothing that the validators must agree on, and the node is
    restarted with it when the chain can spare the node.
    """

    name: str = pydantic.Field(default="", pattern=r"^([A-Za-z0-9][A-Za-z0-9 ._/+@:-]*)?$", max_length=140)
    """Name of the chain's plan; empty: there is none."""
    height: int | None = pydantic.Field(default=None, ge=2, le=2**63 - 1)
    """Height of the first block that this version executes."""
    image: units.Image
    """Container image of this version."""
    binary_hash: str | None = pydantic.Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """sha256 of the binary in this image, lower-case hex; none: it is not compared."""
    halt: bool = False
    """Whether the version before stops at that height although the chain has no plan."""

    @property
    def label(self) -> str:
        """How messages call it."""
        return self.name or (f"the version from height {self.height} on" if self.height else self.image)

    @pydantic.model_validator(mode="after")
    def _is_of_one_kind(self) -> "Upgrade":
        if self.name and self.height is None:
            raise ValueError("name needs the height of the chain's plan; add it")
        if self.halt and (self.height is None or self.name):
            raise ValueError("halt goes with a height and without a name; a plan halts the node anyway")
        if self.height is not None and not (self.name or self.halt):
            raise ValueError("height needs the name of the chain's plan, or halt: true without one; add it")
        return self


class PlanImages(base.Frozen):
    """That the image of an upgrade which is not in the list is taken from the chain's own plan.

    Whoever writes a proposal of that chain then chooses what this validator runs, within the given repositories.
    """

    docker_key: str = pydantic.Field(pattern=r"^[A-Za-z0-9_/-]+(\.[A-Za-z0-9_/-]+)*$", max_length=200)
    """Where the image is in the JSON of the plan's `info`: keys separated by dots, such as `binaries.docker`."""
    repositories: tuple[units.Repository, ...] = ()
    """Repositories from which such an image may come, in addition to those of `image` and `upgrades`."""


def check_order(upgrades: Sequence[Upgrade]) -> tuple[Upgrade, ...]:
    """Return a list of upgrades whose heights ascend and whose names differ.

    Raises:
        ValueError: they do not.
    """
    heights = [upgrade.height for upgrade in upgrades if upgrade.height is not None]
    for before, after in itertools.pairwise(heights):
        if after <= before:
            raise ValueError(f"heights must ascend, but {after} follows {before}; put them in order")
    names = [upgrade.name for upgrade in upgrades if upgrade.name]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"name {twice!r} is there twice; a chain never applies two plans of one name")
    return tuple(upgrades)
