"""The folder of `ics export`: what is written, kept, removed and refused."""

from pathlib import Path

import pytest

from ics import engines, errors
from ics.cli import export_folder
from ics.manifests import export

NOTHING = engines.ApplyRequest(manifests=())


def content(chain: str = "", text: str = "a", of: str = "set", *, retained: bool = False) -> str:
    return f"{export.Mark(of, chain, retained).line()}\n{text}\n"


def update(
    folder: Path, files: dict[str, str], request: engines.ApplyRequest = NOTHING
) -> export_folder.Update:
    return export_folder.update(folder, export.Export(files, ()), "set", request)


def tree(folder: Path) -> dict[str, str]:
    return {str(one.relative_to(folder)): one.read_text() for one in folder.rglob("*") if one.is_file()}


def test_folder_is_created_and_then_unchanged(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    files = {"SECRETS": content(), "ns/service.a.yaml": content("0")}
    paths = ("SECRETS", "ns/service.a.yaml")
    assert update(folder, files) == export_folder.Update(paths, (), (), ())
    assert update(folder, files) == export_folder.Update((), paths, (), ())
    assert tree(folder) == files


def test_stale_files_of_ours_are_removed_with_their_folder(tmp_path: Path) -> None:
    files = {"SECRETS": content(), "ns/service.a.yaml": content("0"), "ns2/service.a.yaml": content("1")}
    update(tmp_path, files)
    strangers = {
        "ns/service.b.yaml": content("0", of="other"),
        "ns/kustomization.yaml": "resources: []\n",
        "README.md": "ours\n",
    }
    for path, text in strangers.items():
        (tmp_path / path).write_text(text)
    assert update(tmp_path, {"SECRETS": content(text="b")}) == export_folder.Update(
        ("SECRETS",), (), ("ns/service.a.yaml", "ns2/service.a.yaml"), ()
    )
    assert tree(tmp_path) == {"SECRETS": content(text="b"), **strangers}
    assert not (tmp_path / "ns2").exists()


def test_file_of_what_no_pass_deletes_is_kept(tmp_path: Path) -> None:
    stale = {
        "_cluster/namespace.ns.yaml": content("0", retained=True),
        "ns/service.a.yaml": content("1"),
        "ns/statefulset.node.yaml": content("0"),
        "ns/statefulset.sentry-1.yaml": content("0"),
        "ns2/statefulset.node.yaml": content("2"),
    }
    update(tmp_path, stale)
    request = engines.ApplyRequest(manifests=(), paused=frozenset({"1"}), ended=frozenset({"2"}))
    removed = ("ns/statefulset.sentry-1.yaml", "ns2/statefulset.node.yaml")
    assert update(tmp_path, {}, request) == export_folder.Update(
        (), (), removed, tuple(sorted(stale.keys() - {*removed}))
    )
    assert tree(tmp_path) == {path: text for path, text in stale.items() if path not in removed}


@pytest.mark.parametrize(
    ("text", "whose"),
    [("apiVersion: v1\n", "not written by ics export"), (content(of="other"), "of another stack")],
)
def test_file_of_others_is_never_overwritten(tmp_path: Path, text: str, whose: str) -> None:
    (tmp_path / "ns").mkdir()
    (tmp_path / "ns" / "service.a.yaml").write_text(text)
    with pytest.raises(errors.SettingsError) as refused:
        update(tmp_path, {"SECRETS": content(), "ns/service.a.yaml": content("0")})
    assert str(refused.value) == (
        f"--output-dir {tmp_path}: ns/service.a.yaml is {whose}; move it away, or name another folder"
    )
    assert tree(tmp_path) == {"ns/service.a.yaml": text}


def test_nothing_is_written_or_removed_through_a_link(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (elsewhere / "service.a.yaml").write_text(content("0"))
    (folder / "ns").symlink_to(elsewhere)
    assert update(folder, {}) == export_folder.Update((), (), (), ())
    with pytest.raises(errors.SettingsError) as refused:
        update(folder, {"ns/service.a.yaml": content("0", "b")})
    assert (
        str(refused.value)
        == f"--output-dir {folder}: the folder of ns/service.a.yaml is a link; remove the link"
    )
    assert tree(elsewhere) == {"service.a.yaml": content("0")}


def test_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    with pytest.raises(errors.SettingsError) as refused:
        update(tmp_path / "out", {"SECRETS": content()})
    out = tmp_path / "out"
    assert (
        str(refused.value) == f"--output-dir {out}: {out}: File exists; name a folder that you can write to"
    )
