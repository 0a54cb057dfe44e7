"""Answers that a resident process keeps for a while, so that not every pass asks again; pure.

Who asks passes the time: seconds of a monotonic clock.
"""

from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import Generic, TypeVar

Question = TypeVar("Question", bound=Hashable)
Answer = TypeVar("Answer")


class RecentAnswers(Generic[Question, Answer]):
    """The last answer to each question."""

    def __init__(self, seconds: float) -> None:
        """Keep nothing yet.

        Args:
            seconds: age from which an answer is asked for again; 0: every answer.
        """
        self._seconds = seconds
        self._kept: dict[Question, tuple[float, Answer]] = {}

    def __contains__(self, question: Question) -> bool:
        """Return whether there is an answer of any age."""
        return question in self._kept

    def __getitem__(self, question: Question) -> Answer:
        """Return the last answer, of any age; raises KeyError if there is none."""
        return self._kept[question][1]

    def due(self, questions: Iterable[Question], now: float) -> list[Question]:
        """Return the questions that have no answer, or too old a one, each once and in their order."""
        return [one for one in dict.fromkeys(questions) if not self._is_fresh(one, now)]

    def keep(self, answers: Mapping[Question, Answer], now: float) -> None:
        """Keep answers of this moment."""
        self._kept |= {question: (now, answer) for question, answer in answers.items()}

    def forget_all_but(self, questions: Collection[Question]) -> None:
        """Forget the answers to all other questions."""
        self._kept = {one: kept for one, kept in self._kept.items() if one in questions}

    def _is_fresh(self, question: Question, now: float) -> bool:
        return question in self._kept and now - self._kept[question][0] < self._seconds
