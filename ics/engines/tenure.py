"""Which engine converges a cluster, since when, and whether two schedulers contest it; pure.

The set's parent records it. A changed `ics:engine` takes effect at the next pass. Two schedulers with different engines
would take the set from each other in every pass, and Pulumi would compare its whole state each time. So a scheduler
whose engine was displaced by another scheduler leaves the set to that one, and says so. A command by hand is the
operator's own decision, and always takes effect.
"""

import datetime
import json
from dataclasses import dataclass, replace

from ics import errors
from ics.cosmos import times

_CONTESTED = datetime.timedelta(days=1)
"""Time after which a scheduler takes a set back; until then the other one is believed to be running."""


class OtherEngine(errors.Permanent):
    """Another scheduler of this validator converges the set with another engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenure:
    """The engine on the set's parent, and how it got there."""

    engine: str = ""
    """The engine that converged the set last; empty: none."""
    since: str = ""
    """Time of its first convergence, RFC 3339; empty: not recorded."""
    by: str = ""
    """Process that made it the engine."""
    displaced: str = ""
    """The engine before, if a scheduler displaced it; empty after a command by hand."""

    def text(self) -> str:
        """Return the details as the text of an annotation."""
        return json.dumps({"since": self.since, "by": self.by, "displaced": self.displaced})


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A pass that converges the set."""

    engine: str
    by: str
    """Identity of the process."""
    now: datetime.datetime
    is_attended: bool
    """Whether a command by hand runs it, and not a scheduler."""

    def check(self, tenure: Tenure) -> None:
        """Check that this pass may converge the set.

        Raises:
            OtherEngine: another scheduler displaced this engine within the last day.
        """
        if self.is_attended or tenure.engine == self.engine or tenure.displaced != self.engine:
            return
        try:
            is_old = self.now - times.parse_time(tenure.since) >= _CONTESTED
        except ValueError:
            is_old = True
        if not is_old:
            raise OtherEngine(
                f"ics:engine: {self.engine}, but since {tenure.since} another scheduler of this validator"
                f" ({tenure.by}) converges with {tenure.engine}; this one changes no object: use the same ics:engine"
                f" for both, then run `ics up` once to continue with it at once"
            )

    def after(self, tenure: Tenure) -> Tenure:
        """Return the tenure to record after a convergence."""
        if tenure.engine == self.engine:
            return tenure if tenure.since else replace(tenure, since=self._moment, by=self.by)
        displaced = "" if self.is_attended else tenure.engine
        return Tenure(engine=self.engine, since=self._moment, by=self.by, displaced=displaced)

    @property
    def _moment(self) -> str:
        return self.now.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse(engine: str, text: str) -> Tenure:
    """Return the tenure from two annotations; an edited text counts as none."""
    try:
        content = json.loads(text or "{}")
        details = {name: str(content.get(name, "")) for name in ("since", "by", "displaced")}
    except (ValueError, AttributeError):
        return Tenure(engine=engine)
    return Tenure(engine=engine, **details)
