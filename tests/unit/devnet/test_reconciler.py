"""The reconciler's image is made of a Python whose libraries are all there, or not at all."""

import pathlib

import pytest

from devnet import commands, reconciler
from ics import errors

LISTED = """\
/image/usr/local/bin/python:
\tlinux-vdso.so.1 (0x00007ffd2b1f2000)
\tlibpython3.11.so.1.0 => {python} (0x00007f0cace00000)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f0cad49a000)
"""


def test_a_library_that_is_not_found_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    listed = LISTED.format(python="not found").replace(" (0x00007f0cace00000)", "")
    monkeypatch.setattr(commands, "run", lambda *words: listed)
    with pytest.raises(errors.Permanent, match=r"linked with libpython3\.11\.so\.1\.0, which"):
        reconciler._shared_objects(tmp_path)


def test_what_is_linked_lies_in_the_image_where_it_lies_here(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    library = tmp_path / "elsewhere" / "libpython3.11.so.1.0"
    monkeypatch.setattr(commands, "run", lambda *words: LISTED.format(python=library))
    assert reconciler._shared_objects(tmp_path / "image") == (
        ("/lib64/ld-linux-x86-64.so.2", pathlib.Path("/lib64/ld-linux-x86-64.so.2").resolve()),
        (str(library), library),
    )
