"""Everything that the status page shows; pure."""

import datetime
import enum
from dataclasses import dataclass

from ics.consumer import status
from ics.monitoring import metrics


class Role(enum.StrEnum):
    """Why the process that serves the page looks at the chains."""

    ACTING = "acting"
    """It holds the Lease."""
    STANDBY = "standby"
    """It only observes."""
    READER = "read-only"
    """`ics page`, beside passes from cron."""


class PassResult(enum.StrEnum):
    """Result of a pass, as in `ics_passes_total`."""

    OK = "ok"
    TROUBLE = "trouble"
    """Something of it failed."""
    FAILED = "failed"
    """The provider or the cluster could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassRecord:
    """One pass."""

    ended: datetime.datetime
    seconds: float
    height: int | None
    """Of the provider; None: it could not be read."""
    triggers: tuple[str, ...]
    """What woke the daemon; empty: its clock."""
    result: PassResult
    changes: tuple[str, ...] = ()
    """What it changed and sent, a line each; empty: nothing."""
    troubles: tuple[str, ...] = ()
    """Its errors, a line each."""

    @property
    def is_quiet(self) -> bool:
        """Whether it succeeded and changed nothing."""
        return self.result is PassResult.OK and not self.changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What the next pass would do, as found at a time."""

    made: datetime.datetime
    lines: tuple[str, ...] = ()
    problem: str = ""
    """Why there is none; empty: it succeeded."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What is constant about the process that serves the page."""

    validator: str
    provider_chain_id: str
    version: str
    """Of the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageState:
    """Everything that is shown."""

    identity: Identity
    role: Role
    now: datetime.datetime
    problem: str = ""
    """Why what is shown may be outdated; empty: it is current."""
    report: status.Report | None = None
    """Of the last pass that could judge; None: there was none yet."""
    samples: tuple[metrics.Sample, ...] = ()
    """Metrics of that pass."""
    observed: datetime.datetime | None = None
    """When that pass ended."""
    passes: tuple[PassRecord, ...] = ()
    """The last passes, newest first."""
    preview: Preview | None = None
    """None: it was not asked for."""
    tag: str = ""
    """Differs whenever anything but `now` does."""
    metrics_path: str = ""
    """Path of the metrics; empty: they are not served."""
    base: str = ""
    """Path under which the pages are; empty: the root."""
