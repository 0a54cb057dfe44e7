"""The image that a chain's own plan names for its next upgrade; pure.

Whoever had a proposal accepted has written the plan, and so, where a definition allows it at all, what this validator
runs beside its key. So it must be the complete name of an image in a repository that the operator has named, and by
digest, unless the settings of the stack say otherwise. It is never fetched from a link.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pydantic

from ics import errors, model, plain_text
from ics.config import upgrades as config_upgrades
from ics.cosmos import images

_LONGEST = 500
"""Characters of an image's name with its digest."""
_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Rules:
    """From which part of a plan an image is taken, and which one."""

    docker_key: str
    """Keys of the JSON in the plan's `info`, separated by dots."""
    repositories: frozenset[str]
    """Where it may come from."""
    require_digest: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """What a plan names."""

    upgrade: config_upgrades.Upgrade | None = None
    """The entry that the list lacks; None: the plan names no image that may be used."""
    problem: str = ""
    """Why it does not."""


def rules(
    wanted: config_upgrades.PlanImages | None,
    listed: Collection[str],
    *,
    require_digest: bool,
) -> Rules | None:
    """Return the rules for the images of a chain, None if its plans are not asked for any.

    Args:
        wanted: of the definition.
        listed: all images that the definition names itself.
        require_digest: by the settings of the stack.
    """
    if wanted is None:
        return None
    own = {images.parse(image).repository for image in listed if image}
    return Rules(wanted.docker_key, frozenset({*own, *wanted.repositories}), require_digest)


def choose(rules: Rules, scheduled: model.ScheduledUpgrade) -> Choice:
    """Return the entry that a plan stands for, or why there is none.

    Args:
        rules: of the definition.
        scheduled: the chain's plan.
    """
    try:
        image = _named(rules, scheduled.info)
        _check(rules, image)
        return Choice(config_upgrades.Upgrade(name=scheduled.name, height=scheduled.height, image=image))
    except errors.SettingsError as error:
        return Choice(problem=plain_text.one_line(str(error), 300))
    except pydantic.ValidationError:
        return Choice(problem="its name or height is not one that this program writes into a node's files")


def _named(rules: Rules, info: str) -> str:
    """Return what stands under the key in the plan's `info`.

    Raises:
        SettingsError: nothing does, or it is not a text.
    """
    try:
        value: object = json.loads(info)
    except (ValueError, RecursionError):
        raise errors.SettingsError("its info is not JSON") from None
    for key in rules.docker_key.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    if not isinstance(value, str) or not value:
        raise errors.SettingsError(f"its info names no image under {rules.docker_key}")
    if len(value) > _LONGEST:
        raise errors.SettingsError(f"the image in its info is longer than {_LONGEST} characters")
    return value


def _check(rules: Rules, image: str) -> None:
    """Check that an image may be used.

    Raises:
        SettingsError: it must not.
    """
    shown = plain_text.one_line(image, _SHOWN)
    try:
        reference = images.parse(image)
    except errors.SettingsError:
        raise errors.SettingsError(f"{shown!r} in its info is not the name of an image") from None
    if reference.repository not in rules.repositories:
        raise errors.SettingsError(
            f"{shown} in its info is in none of the repositories of the definition; if it is right, add it to"
            " plan_images.repositories"
        )
    if reference.digest:
        return
    if rules.require_digest:
        raise errors.SettingsError(
            f"{shown} in its info is not given by digest, which ics:plan_images.require_digest demands"
        )
    if reference.tag in ("", "latest"):
        raise errors.SettingsError(
            f"{shown} in its info has no tag of its own, and so can change at any time"
        )
