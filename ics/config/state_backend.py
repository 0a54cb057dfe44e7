"""URLs of the backends in which Pulumi keeps a stack's state: parsing, and their form for messages; pure.

Source: `pkg/backend/diy` of Pulumi 3.272. It opens a folder, a bucket of a cloud, or a PostgreSQL database; any http
or https URL is Pulumi's service.
"""

import enum
import pathlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib import parse as urls


class Kind(enum.StrEnum):
    """Kind of a backend, in words for messages."""

    FOLDER = "folder"
    BUCKET = "bucket"
    DATABASE = "database"
    SERVICE = "Pulumi's service"


_KINDS = {
    "file": Kind.FOLDER,
    "s3": Kind.BUCKET,
    "gs": Kind.BUCKET,
    "azblob": Kind.BUCKET,
    "postgres": Kind.DATABASE,
    "https": Kind.SERVICE,
    "http": Kind.SERVICE,
}
_SHOWN = frozenset(
    {"region", "profile", "endpoint", "s3ForcePathStyle", "use_path_style", "storage_account", "domain"}
)
"""Parameters that hold no credential."""
_SECRET = re.compile(
    r"password|passwd|secret|token|signature|^sig$|^sas|private|credential|access_?key", re.IGNORECASE
)
"""Names of parameters that hold a credential, such as `password` of PostgreSQL."""
_CREDENTIALS: Mapping[str, str] = {
    "s3": "AWS's credentials (AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY) and the bucket's region"
    " (AWS_REGION, or ?region= in the URL)",
    "gs": "Google's credentials (GOOGLE_APPLICATION_CREDENTIALS, or `gcloud auth application-default login`)",
    "azblob": "Azure's storage account (AZURE_STORAGE_ACCOUNT, or ?storage_account= in the URL) and its credentials"
    " (AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or `az login`)",
    "postgres": "the database's user and password (PGUSER, PGPASSWORD)",
    "https": "PULUMI_ACCESS_TOKEN, or `pulumi login`",
    "http": "PULUMI_ACCESS_TOKEN, or `pulumi login`",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StateBackend:
    """A parsed URL."""

    url: str
    """As written; it may contain credentials."""
    kind: Kind
    scheme: str
    name: str
    """Bucket, container, host with its port, or path of the folder as written: absolute, or with `~/` or `./`."""
    prefix: str = ""
    """Folder within the bucket, without slashes around it."""
    parameters: tuple[tuple[str, str], ...] = ()
    """Of the query, in their order."""
    has_password: bool = False
    """Whether it contains a password or token: beside the user, as the user of a service, or as a parameter."""

    def __str__(self) -> str:
        """Return the URL for messages, without user, password and unknown parameters."""
        known = [(key, value) for key, value in self.parameters if key in _SHOWN]
        hidden = "…" if len(known) < len(self.parameters) else ""
        query = "&".join([*(f"{key}={value}" for key, value in known), *([hidden] if hidden else [])])
        path = f"/{self.prefix}" if self.prefix else ""
        return f"{self.scheme}://{self.name}{path}{f'?{query}' if query else ''}"

    @property
    def needs(self) -> str:
        """The credentials that it takes from the environment, in words; empty for a folder."""
        return _CREDENTIALS.get(self.scheme, "")

    def folder(self, root: pathlib.PurePath, home: pathlib.PurePath) -> pathlib.PurePath | None:
        """Return the path of a folder, or None for any other backend.

        Args:
            root: the project's folder, in which Pulumi runs.
            home: the user's home according to the user database, with which Pulumi replaces `~`.
        """
        if self.kind is not Kind.FOLDER:
            return None
        if self.name == "~" or self.name.startswith("~/"):
            return home / self.name[2:]
        return root / self.name


def parse(url: str) -> StateBackend:
    """Parse the URL of a backend.

    Raises:
        ValueError: Pulumi has no backend of this scheme, or the URL does not name a place.
    """
    scheme, separator, rest = url.partition("://")
    kind = _KINDS.get(scheme)
    if not separator or kind is None:
        raise ValueError(
            "not a backend of Pulumi; use file:///FOLDER, s3://BUCKET, gs://BUCKET, azblob://CONTAINER,"
            " postgres://HOST/DATABASE or https://api.pulumi.com"
        )
    place, _, query = rest.partition("?")
    parameters = tuple(urls.parse_qsl(query, keep_blank_values=True))
    if kind is Kind.FOLDER:
        if not place:
            raise ValueError("names no folder; use an absolute path, e.g. file:///var/lib/ics")
        return StateBackend(url=url, kind=kind, scheme=scheme, name=place, parameters=parameters)
    host, _, path = place.partition("/")
    user, _, name = host.rpartition("@")
    if not name:
        what = "host" if kind in (Kind.SERVICE, Kind.DATABASE) else "bucket"
        raise ValueError(f"names no {what}; write it after {scheme}://")
    return StateBackend(
        url=url,
        kind=kind,
        scheme=scheme,
        name=name,
        prefix=path.strip("/"),
        parameters=parameters,
        has_password=(
            ":" in user
            or (bool(user) and kind is Kind.SERVICE)
            or any(_SECRET.search(key) for key, _ in parameters)
        ),
    )
