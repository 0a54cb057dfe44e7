"""Several validators of one process, as the page lists them; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ics.status_page import chains, state

_RANK: Final = ("critical", "warning", "info", "ok")


@dataclass(frozen=True, slots=True)
class Member:
    """One stack."""

    name: str
    path: str
    """Path under which its own pages are."""
    page: state.PageState | None
    """What its own page shows; None: it is not open, or shows none."""
    problem: str = ""
    """Why it is not open, makes no progress, or is not ready and has no page to say so; empty: nothing is wrong."""
    is_hidden: bool = False
    """Whether it is open, and shows no page."""


@dataclass(frozen=True, slots=True)
class MemberView:
    """One stack as it is listed."""

    member: Member
    signing: int
    due: int
    """Number of chains that must sign."""
    concerns: tuple[chains.Concern, ...]
    """What calls for action, the worst first."""
    unsigned: int
    """Number of chains that miss blocks."""

    @property
    def problem(self) -> str:
        """Why what is shown may be outdated; empty: it is current."""
        page = self.member.page
        return self.member.problem or ("" if page is None else page.problem)

    @property
    def tone(self) -> str:
        """Name of the colour of its state."""
        page = self.member.page
        if self.problem:
            return "critical"
        if self.member.is_hidden:
            return "ok"
        if page is None or page.report is None:
            return "info"
        return min((one.tone for one in self.concerns), key=_RANK.index, default="ok")

    @property
    def state(self) -> str:
        """The words for its state."""
        page = self.member.page
        if self.problem:
            has_shown = self.member.is_hidden or (page is not None and page.report is not None)
            return "outdated" if has_shown else "not reached"
        if self.member.is_hidden:
            return "ics:daemon.page is off"
        if page is None or page.report is None:
            return "starting"
        if self.unsigned:
            return f"{self.unsigned} not signing"
        return f"{len(self.concerns)} to look at" if self.concerns else "all is well"


def view(member: Member) -> MemberView:
    """Return a stack as it is listed."""
    views = () if member.page is None else chains.all_of(member.page)
    due = [one for one in views if one.is_ours and one.must_sign]
    return MemberView(
        member=member,
        signing=sum(one.signs for one in due),
        due=len(due),
        concerns=() if member.page is None else chains.concerns(member.page, views),
        unsigned=sum(one.misses for one in due),
    )


def views(members: Sequence[Member]) -> tuple[MemberView, ...]:
    """Return all stacks, those that need the operator first, then by name."""
    found = [view(member) for member in members]
    return tuple(sorted(found, key=lambda one: (_RANK.index(one.tone), one.member.name)))
