"""The conversation of `ics init`: a flag's answer, what was found, or the answer typed at the terminal."""

import sys
from collections.abc import Callable, Mapping

from ics import errors
from ics.cli import terminal
from ics.cli.init import questions


class Dialog:
    """Answers questions by flags, by defaults, or by the person at the terminal."""

    def __init__(
        self,
        given: Mapping[str, str],
        *,
        accepts_defaults: bool,
        is_attended: bool,
        read: Callable[[], str] = sys.stdin.readline,
        say: Callable[..., object] = terminal.warn,
        prompt: Callable[[str], object] = terminal.ask,
    ) -> None:
        """Initialize without asking.

        Args:
            given: answers by flags, by the key of their question.
            accepts_defaults: whether what was found is taken without asking.
            is_attended: whether a person is at the terminal.
            read: reads a line that was typed; empty at its end.
            say: writes lines for the person.
            prompt: writes a question.
        """
        self._given = given
        self._accepts_defaults = accepts_defaults
        self._is_attended = is_attended
        self._read = read
        self._prompt = prompt
        self.say = say

    @property
    def is_asking(self) -> bool:
        """Whether questions reach a person."""
        return self._is_attended and not self._accepts_defaults

    def is_given(self, key: str) -> bool:
        """Return whether a flag answers the question of this key."""
        return key in self._given

    def ask(self, question: questions.Question) -> str:
        """Return the answer to a question.

        Raises:
            SettingsError: a flag's answer is not valid; or nothing answers it, and no person can be asked.
        """
        if question.key in self._given:
            return question.accept(self._given[question.key])
        if not self.is_asking:
            if question.default is None or not self._accepts_defaults:
                raise question.missing()
            return question.accept(question.default)
        while True:
            default = "" if question.default is None else f" [{question.default}]"
            self._prompt(f"{question.text}{default}: ")
            line = self._read()
            if not line:
                raise errors.SettingsError(
                    f"{question.flag}: the input ended before an answer; nothing was written"
                )
            answer = line.strip() or question.default
            if answer is None:
                continue
            try:
                return question.accept(answer)
            except errors.SettingsError as error:
                self.say(*error.problems)

    def confirm(self, question: questions.Question) -> bool:
        """Return whether the person says yes; without one, whether defaults are accepted."""
        if not self.is_asking:
            return self._accepts_defaults
        return self.ask(question) == "yes"
