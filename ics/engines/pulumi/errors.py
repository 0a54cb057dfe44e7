"""Translation of Pulumi's error texts into errors of the operator, the only place that parses them; pure."""

import re

from ics import engines, errors

_COLOUR = re.compile(r"<\{%.*?%\}>|\x1b\[[0-9;]*m")
_LONGEST = 500

_PLUGIN = re.compile(r"plugin install resource kubernetes (?:v(?P<version>[0-9][0-9A-Za-z.+-]*))?")
_UNUSABLE = (
    (
        r"passphrase must be set|incorrect passphrase|PULUMI_CONFIG_PASSPHRASE",
        "ics:pulumi.passphrase: missing, or not the passphrase of the stack; set {file: PATH}, {env: NAME} or"
        " {secret: {namespace, name, key}}",
    ),
    (
        r"PULUMI_ACCESS_TOKEN must be set|must be set for login|not logged in|invalid access token",
        "ics:pulumi.backend: not logged in; set PULUMI_ACCESS_TOKEN or run `pulumi login`, or set a URL such as"
        " file:///var/lib/ics or s3://BUCKET",
    ),
    (
        r"no language plugin|failed to load language plugin",
        "ics:engine: Pulumi's language host for Python is missing beside the CLI; install the complete CLI, for example"
        " with `ics up --install-pulumi`",
    ),
    (
        r"no resource plugin|could not find plugin|failed to (load|install|download) plugin|Could not automatically",
        "ics:engine: Pulumi's Kubernetes plugin is not available; run `{plugin}` with a network connection, or set"
        " ics:engine: apply",
    ),
    (
        r"failed to load checkpoint|place \d+: (unexpected end of JSON|invalid character)",
        "ics:pulumi.backend: the stack's state is damaged, and Pulumi cannot read it; delete its file, which is"
        " .pulumi/stacks/PROJECT/STACK.json there, and run a pass, which takes over every object as it is",
    ),
)
"""What an operator has to correct, by the words that Pulumi and its plugins use."""
_BACKEND = re.compile(
    r"unable to open (?:bucket|state|database)|read(?:ing)? .*meta\.yaml|could not (?:list|read|write) bucket"
    r"|NoSuchBucket|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|no EC2 IMDS role"
    r"|MissingRegion|default credentials|AuthorizationFailure|AuthenticationFailed|ContainerNotFound"
    r"|storage account|diy URL"
)
"""Words of the libraries of S3, GCS, Azure and of folders, about the state's backend."""
_DOWN = re.compile(
    r"connection refused|timed? ?out|i/o timeout|no such host|temporarily|SlowDown|ServerBusy|\b50[234]\b"
)
_TRANSIENT = re.compile(
    r"unreachable|connection refused|timed? ?out|i/o timeout|no such host|temporarily|TLS handshake"
    r"|Conflict|conflict|has been modified|being terminated|context cancell?ed|EOF|too many requests"
    r"|object is being deleted|try again|not found"
)


def as_error(text: str, what: str = "", backend: str = "", needs: str = "") -> errors.IcsError:
    """Translate one error text of Pulumi.

    Args:
        text: the text.
        what: the object concerned; empty for the whole run.
        backend: the state's backend, for messages; empty for an error about one object.
        needs: the credentials that this backend takes from the environment, in words.
    """
    line = one_line(text)
    for pattern, message in _UNUSABLE:
        if re.search(pattern, line):
            return engines.EngineUnusable(message.replace("{plugin}", _plugin_command(line)))
    if backend and _BACKEND.search(line):
        if _DOWN.search(line):
            return engines.EngineUnavailable(f"{backend}: does not answer: {line}")
        remedy = (
            f"check the URL, and that the environment has {needs}"
            if needs
            else "create it, or correct the URL"
        )
        return engines.EngineUnusable(f"ics:pulumi.backend: {backend}: cannot be opened: {line}; {remedy}")
    shown = f"{what}: {line}" if what else f"Pulumi: {line}"
    return errors.Transient(shown) if _TRANSIENT.search(line) else errors.Permanent(shown)


def _plugin_command(line: str) -> str:
    """Return the command that installs the plugin; Pulumi's message names the version that the program asked for."""
    asked = _PLUGIN.search(line)
    version = asked["version"] if asked is not None else None
    command = "pulumi plugin install resource kubernetes"
    return f"{command} {version}" if version else f"{command}` in the version of `ics doctor"


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
