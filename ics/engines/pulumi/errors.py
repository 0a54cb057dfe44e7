"""Translation of Pulumi's error texts into errors of the operator, the only place that parses them; pure."""

import re

from ics import errors

_COLOUR = re.compile(r"<\{%.*?%\}>|\x1b\[[0-9;]*m")
_LONGEST = 500

_SETTINGS = (
    (
        r"passphrase must be set|incorrect passphrase|PULUMI_CONFIG_PASSPHRASE",
        "ics:pulumi.passphrase: missing, or not the passphrase of the stack; set {file: PATH}, {env: NAME} or"
        " {secret: {namespace, name, key}}",
    ),
    (
        r"PULUMI_ACCESS_TOKEN must be set|must be set for login|not logged in",
        "ics:pulumi.backend: no state backend configured; set a URL such as file:///var/lib/ics or s3://BUCKET, or"
        " run `pulumi login`",
    ),
    (
        r"no resource plugin|could not find plugin|failed to (load|install|download) plugin|Could not automatically",
        "ics:engine: Pulumi's Kubernetes plugin is not available; run `pulumi plugin install resource kubernetes`"
        " with a network connection, or set ics:engine: apply",
    ),
)
_TRANSIENT = re.compile(
    r"unreachable|connection refused|timed? ?out|i/o timeout|no such host|temporarily|TLS handshake"
    r"|Conflict|conflict|has been modified|being terminated|context cancell?ed|EOF|too many requests"
    r"|object is being deleted|try again|not found"
)


def as_error(text: str, what: str = "") -> errors.IcsError:
    """Translate one error text of Pulumi.

    Args:
        text: the text.
        what: the object concerned; empty for the whole run.
    """
    line = one_line(text)
    for pattern, message in _SETTINGS:
        if re.search(pattern, line):
            return errors.SettingsError(message)
    shown = f"{what}: {line}" if what else f"Pulumi: {line}"
    return errors.Transient(shown) if _TRANSIENT.search(line) else errors.Permanent(shown)


def one_line(text: str) -> str:
    """Return a text as one line of at most 500 characters, without colour codes."""
    line = " ".join(_COLOUR.sub("", text).split())
    line = line.removeprefix("error: ")
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


def from_output(stdout: str, stderr: str) -> str:
    """Return the line of a failed command's output that contains the reason."""
    for part in (stderr, stdout):
        for line in _COLOUR.sub("", part).splitlines():
            message = line.strip()
            if (
                message.startswith("error:")
                and "update failed" not in message
                and "preview failed" not in message
            ):
                return message
    return (stderr.strip() or stdout.strip() or "failed without output")[-_LONGEST:]
