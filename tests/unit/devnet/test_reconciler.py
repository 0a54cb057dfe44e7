"""The reconciler's image requires all libraries of its Python."""

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


def test_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    listed = LISTED.format(python="not found").replace(" (0x00007f0cace00000)", "")
    monkeypatch.setattr(commands, "run", lambda *words: listed)
    with pytest.raises(errors.Permanent, match=r"linked with libpython3\.11\.so\.1\.0, which"):
        reconciler._shared_objects(tmp_path)


def test_linked_libraries_have_the_same_path_in_image(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    library = tmp_path / "elsewhere" / "libpython3.11.so.1.0"
    monkeypatch.setattr(commands, "run", lambda *words: LISTED.format(python=library))
    assert reconciler._shared_objects(tmp_path / "image") == (
        ("/lib64/ld-linux-x86-64.so.2", pathlib.Path("/lib64/ld-linux-x86-64.so.2").resolve()),
        (str(library), library),
    )
