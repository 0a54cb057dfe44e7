"""Pulumi's errors, each in one line with its remedy."""

import pytest

from ics import errors
from ics.engines.pulumi import errors as pulumi_errors


@pytest.mark.parametrize(
    ("text", "kind", "part"),
    [
        (
            "error: constructing secrets manager: passphrase must be set with …",
            errors.SettingsError,
            "pulumi.pass",
        ),
        (
            "error: PULUMI_ACCESS_TOKEN must be set for login during …",
            errors.SettingsError,
            "ics:pulumi.backend",
        ),
        (
            "error: no resource plugin 'pulumi-resource-kubernetes' found",
            errors.SettingsError,
            "plugin install",
        ),
        (
            "configured Kubernetes cluster is unreachable: dial tcp",
            errors.Transient,
            "StatefulSet c/n: conf",
        ),
        (
            'StatefulSet.apps "node" is invalid: spec: Forbidden: updates',
            errors.Permanent,
            "StatefulSet c/n: ",
        ),
    ],
)
def test_pulumi_error_text_has_its_class(text: str, kind: type[errors.IcsError], part: str) -> None:
    found = pulumi_errors.as_error(text, "StatefulSet c/n")
    assert type(found) is kind
    assert part in str(found)


def test_message_is_one_line_without_colours() -> None:
    assert pulumi_errors.one_line("<{%fg 1%}>error: <{%reset%}>a\n  b\x1b[0m\t c") == "a b c"
    assert len(pulumi_errors.one_line("x" * 9999)) == 500


def test_error_line_is_extracted_from_output() -> None:
    stderr = "warning: x\nerror: update failed\n\nerror: the passphrase is wrong\n"
    assert pulumi_errors.from_output("", stderr) == "error: the passphrase is wrong"
    assert pulumi_errors.from_output("Diagnostics:\n    error: no\n", "") == "error: no"
    assert pulumi_errors.from_output("", "") == "failed without output"
