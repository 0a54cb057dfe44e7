"""Pulumi's errors, each in one line with its remedy."""

import pytest

from ics import engines, errors
from ics.engines.pulumi import errors as pulumi_errors


@pytest.mark.parametrize(
    ("text", "kind", "part"),
    [
        (
            "error: constructing secrets manager: passphrase must be set with …",
            engines.EngineUnusable,
            "pulumi.pass",
        ),
        (
            "error: PULUMI_ACCESS_TOKEN must be set for login during …",
            engines.EngineUnusable,
            "ics:pulumi.backend",
        ),
        (
            "error: no resource plugin 'pulumi-resource-kubernetes' found",
            engines.EngineUnusable,
            "run `pulumi plugin install resource kubernetes` in the version of `ics doctor`",
        ),
        (
            "error: Could not automatically download and install resource plugin 'pulumi-resource-kubernetes' at"
            " version v4.34.2, install the plugin using `pulumi plugin install resource kubernetes v4.34.2`: dial",
            engines.EngineUnusable,
            "run `pulumi plugin install resource kubernetes 4.34.2` with a network connection",
        ),
        (
            "error: failed to load language plugin python: no language plugin 'pulumi-language-python' found",
            engines.EngineUnusable,
            "language host for Python is missing",
        ),
        (
            "error: failed to load checkpoint: place 1: unexpected end of JSON input",
            engines.EngineUnusable,
            "the stack's state is damaged",
        ),
        (
            "error: place 1: unexpected end of JSON input",
            engines.EngineUnusable,
            "delete its file, which is .pulumi/stacks/PROJECT/STACK.json",
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


@pytest.mark.parametrize(
    ("text", "kind", "part"),
    [
        (
            "unable to open bucket file:///nowhere: stat /nowhere: no such file or directory",
            engines.EngineUnusable,
            "ics:pulumi.backend: s3://a: cannot be opened: unable to open bucket",
        ),
        (
            'read ".pulumi/meta.yaml": blob (code=PermissionDenied): AccessDenied: Access Denied',
            engines.EngineUnusable,
            "check the URL, and that the environment has keys",
        ),
        (
            'read ".pulumi/meta.yaml": blob (code=Unknown): dial tcp: lookup a: no such host',
            engines.EngineUnavailable,
            "s3://a: does not answer",
        ),
    ],
)
def test_error_of_the_backend_names_it_and_what_it_needs(
    text: str, kind: type[errors.IcsError], part: str
) -> None:
    found = pulumi_errors.as_error(f"error: {text}", backend="s3://a", needs="keys")
    assert type(found) is kind
    assert part in str(found)


def test_folder_that_cannot_be_opened_needs_no_credentials() -> None:
    found = pulumi_errors.as_error(
        "error: unable to open bucket file:///x: no such file", backend="file:///x"
    )
    assert str(found).endswith("; create it, or correct the URL")


def test_message_is_one_line_without_colours() -> None:
    assert pulumi_errors.one_line("<{%fg 1%}>error: <{%reset%}>a\n  b\x1b[0m\t c") == "a b c"
    assert len(pulumi_errors.one_line("x" * 9999)) == 500


def test_error_line_is_extracted_from_output() -> None:
    stderr = "warning: x\nerror: update failed\n\nerror: the passphrase is wrong\n"
    assert pulumi_errors.from_output("", stderr) == "error: the passphrase is wrong"
    assert pulumi_errors.from_output("Diagnostics:\n    error: no\n", "") == "error: no"
    assert pulumi_errors.from_output("", "") == "failed without output"
