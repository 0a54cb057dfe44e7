"""Settings of volumes: their growth, snapshots of them, and what the nodes keep on them; pure."""

from typing import Literal

import pydantic

from ics.config import base, units

_OPTIONAL_NAME = r"^([a-z0-9]([-.a-z0-9]*[a-z0-9])?)?$"


class VolumeGrowth(base.Frozen):
    """Growth of volumes that fill up, where their StorageClass allows expansion."""

    grow_at: units.Percent = pydantic.Field(default=80, ge=10, le=99)
    """Used share of a volume from which it grows; default 80%."""
    by: units.Percent = pydantic.Field(default=20, ge=5, le=100)
    """Share of its size by which it grows; default 20%."""
    max: units.Size | None = None
    """Size beyond which no volume grows; none: volumes never grow. A volume never gets smaller."""


LEAST_KEPT = 100
"""Heights whose state a relayer may ask for while it proves a packet, and a minute of a fast chain."""


class Pruning(base.Frozen):
    """Which heights' state a node keeps; its blocks are kept in any case, for evidence and for relayers."""

    kind: Literal["custom", "archive"] = "custom"
    """`custom`: the newest `keep_recent` heights; `archive`: all. `pruning: archive` is short for it."""
    keep_recent: int = pydantic.Field(default=1000, ge=LEAST_KEPT, le=10**9)
    """Number of heights. Those of which a state-sync snapshot is being made are kept until it is done."""
    interval: int = pydantic.Field(default=10, ge=10, le=10**6)
    """Blocks between two removals; cosmos-sdk takes 10 or more."""

    @pydantic.model_validator(mode="before")
    @classmethod
    def _takes_a_name(cls, values: object) -> object:
        return {"kind": values} if isinstance(values, str) else values


class SnapshotSettings(base.Frozen):
    """VolumeSnapshots of the chains' volumes."""

    model_config = pydantic.ConfigDict(serialize_by_alias=True)

    class_name: str = pydantic.Field(default="", pattern=_OPTIONAL_NAME, max_length=253, alias="class")
    """VolumeSnapshotClass of the snapshots; empty: none are made."""
    every: units.Duration = pydantic.Field(default=86400, ge=60)
    """Time between two snapshots of one volume; default 1d."""
    keep: int = pydantic.Field(default=3, ge=1, le=100)
    """Number of complete scheduled snapshots, and of ones before upgrades, that are kept of one volume. Those made by
    `ics snapshot` are never deleted."""
    before_upgrade: Literal["try", "require", "never"] = "try"
    """Before an upgrade of a chain's node or of the provider node: `try`: wait at most a minute for a snapshot;
    `require`: do not upgrade without one; `never`: make none."""

    @pydantic.model_validator(mode="after")
    def _required_can_be_made(self) -> "SnapshotSettings":
        if self.before_upgrade == "require" and not self.class_name:
            raise ValueError("before_upgrade: require needs class; set it to a VolumeSnapshotClass")
        return self
