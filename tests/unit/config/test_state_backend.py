"""URLs of Pulumi's state backends."""

import pathlib

import pytest

from ics.config import state_backend
from ics.config.state_backend import Kind

ROOT, HOME = pathlib.PurePath("/project"), pathlib.PurePath("/home/ops")


@pytest.mark.parametrize(
    ("url", "kind", "name", "prefix", "shown"),
    [
        ("file:///var/lib/ics", Kind.FOLDER, "/var/lib/ics", "", "file:///var/lib/ics"),
        ("file://~", Kind.FOLDER, "~", "", "file://~"),
        (
            "s3://states/ics/alice?region=eu-central-1&endpoint=minio.example:9000&s3ForcePathStyle=true",
            Kind.BUCKET,
            "states",
            "ics/alice",
            "s3://states/ics/alice?region=eu-central-1&endpoint=minio.example:9000&s3ForcePathStyle=true",
        ),
        ("gs://states", Kind.BUCKET, "states", "", "gs://states"),
        (
            "azblob://states/ics/?storage_account=acc&sas=abc",
            Kind.BUCKET,
            "states",
            "ics",
            "azblob://states/ics?storage_account=acc&…",
        ),
        (
            "postgres://ics:word@db.example:5432/pulumi",
            Kind.DATABASE,
            "db.example:5432",
            "pulumi",
            "postgres://db.example:5432/pulumi",
        ),
        ("https://api.pulumi.com", Kind.SERVICE, "api.pulumi.com", "", "https://api.pulumi.com"),
    ],
)
def test_backend_is_parsed_and_shown_without_credentials(
    url: str, kind: Kind, name: str, prefix: str, shown: str
) -> None:
    backend = state_backend.parse(url)
    assert (backend.url, backend.kind, backend.name, backend.prefix) == (url, kind, name, prefix)
    assert str(backend) == shown
    assert "word" not in str(backend)
    assert backend.has_password is ("word" in url or "sas=" in url)
    assert bool(backend.needs) is (kind is not Kind.FOLDER)


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("file:///var/lib/ics", "/var/lib/ics"),
        ("file://~", "/home/ops"),
        ("file://~/states?no_tmp_dir=true", "/home/ops/states"),
        ("file://./state", "/project/state"),
        ("s3://states", None),
    ],
)
def test_folder_is_where_pulumi_opens_it(url: str, folder: str | None) -> None:
    found = state_backend.parse(url).folder(ROOT, HOME)
    assert found == (None if folder is None else pathlib.PurePath(folder))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("/var/lib/ics", "not a backend of Pulumi; use file:///FOLDER"),
        ("ftp://host/ics", "not a backend of Pulumi"),
        ("file://", "names no folder"),
        ("s3:///states", "names no bucket; write it after s3://"),
        ("https://", "names no host"),
    ],
)
def test_url_that_is_not_a_backend_is_refused(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        state_backend.parse(url)


@pytest.mark.parametrize(
    ("url", "has_password"),
    [
        ("postgres://db.example/pulumi?user=ics&password=word", True),
        ("postgres://ics@db.example/pulumi?sslmode=require", False),
        ("azblob://states?sas_token=sig", True),
        ("s3://states?region=any&profile=ics", False),
        ("https://pul-0123@api.pulumi.com", True),
        ("file:///var/lib/ics?no_tmp_dir=true", False),
    ],
)
def test_credential_is_noticed_wherever_a_url_has_it(url: str, has_password: bool) -> None:
    assert state_backend.parse(url).has_password is has_password
