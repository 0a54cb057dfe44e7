"""What Pulumi complains of, as errors of this product; pure, and the only place that reads its texts."""

import re

from ics import errors

_COLOUR = re.compile(r"<\{%.*?%\}>|\x1b\[[0-9;]*m")
_LONGEST = 500

_SETTINGS = (
    (
        r"passphrase must be set|incorrect passphrase|PULUMI_CONFIG_PASSPHRASE",
        "ics:pulumi.passphrase: missing, or not the one that the stack was made with: give {file: PATH},"
        " {env: NAME} or {secret: {namespace, name, key}}",
    ),
    (
        r"PULUMI_ACCESS_TOKEN must be set|must be set for login|not logged in",
        "ics:pulumi.backend: no state backend: give a URL such as file:///var/lib/ics or s3://BUCKET,"
        " or run `pulumi login`",
    ),
    (
        r"no resource plugin|could not find plugin|failed to (load|install|download) plugin|Could not automatically",
        "Pulumi's plugin for Kubernetes is not to be had here: run `pulumi plugin install resource kubernetes`"
        " where there is a network, or set ics:engine: apply",
    ),
)
_TRANSIENT = re.compile(
    r"unreachable|connection refused|timed? ?out|i/o timeout|no such host|temporarily|TLS handshake"
    r"|Conflict|conflict|has been modified|being terminated|context cancell?ed|EOF|too many requests"
    r"|object is being deleted|try again|not found"
)


def as_error(text: str, what: str = "") -> errors.IcsError:
    """One complaint as an error.

    Args:
        text: as Pulumi gives it.
        what: the object that it is about; empty for the run as a whole.
    """
    line = one_line(text)
    for pattern, message in _SETTINGS:
        if re.search(pattern, line):
            return errors.SettingsError(message)
    shown = f"{what}: {line}" if what else f"Pulumi: {line}"
    return errors.Transient(shown) if _TRANSIENT.search(line) else errors.Permanent(shown)


def one_line(text: str) -> str:
    """A text without colours and line ends, of a bearable length."""
    line = " ".join(_COLOUR.sub("", text).split())
    line = line.removeprefix("error: ")
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


def from_output(stdout: str, stderr: str) -> str:
    """The line of a failed command's output that says why."""
    for part in (stderr, stdout):
        for line in _COLOUR.sub("", part).splitlines():
            found = line.strip()
            if found.startswith("error:") and "update failed" not in found and "preview failed" not in found:
                return found
    return (stderr.strip() or stdout.strip() or "it failed without a word")[-_LONGEST:]
