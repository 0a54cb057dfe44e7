import json
from pathlib import Path

import pytest

from devnet import cache
from devnet.progress import Progress


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICS_CACHE", str(tmp_path))


def recipe(*ingredients: str, fail: bool = False) -> cache.Recipe:
    def build(folder: Path) -> None:
        (folder / "made").write_text(",".join(ingredients))
        if fail:
            raise RuntimeError("no more disk")

    return cache.Recipe("thing", "1", ingredients, build, 1)


def test_cache_entry_is_built_once() -> None:
    built = cache.ensure(recipe("a"), Progress())
    (built / "made").write_text("kept")
    again = cache.ensure(recipe("a"), Progress())
    assert (again, (again / "made").read_text()) == (built, "kept")


def test_different_recipes_have_different_cache_keys() -> None:
    assert len({recipe("a").key, recipe("b").key, recipe("a", "b").key, recipe("ab").key}) == 4


def test_failed_build_leaves_no_entry_and_next_build_starts_clean(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no more disk"):
        cache.ensure(recipe("a", fail=True), Progress())
    assert cache.find(recipe("a")) is None
    (tmp_path / f"{recipe('a').key}.unfinished" / "half").write_text("half")
    built = cache.ensure(recipe("a"), Progress())
    assert [path.name for path in built.iterdir()] == ["made"]
    assert not list(tmp_path.glob("*.unfinished"))


def test_build_time_becomes_next_estimate(tmp_path: Path) -> None:
    cache.ensure(recipe("a"), Progress())
    assert json.loads((tmp_path / "timings.json").read_text()).keys() == {"thing"}
