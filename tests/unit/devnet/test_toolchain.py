import pytest

from devnet import plan, toolchain


def test_images_for_upgrades_have_programs_that_are_built() -> None:
    second = toolchain.SOURCES / "chains" / "second"
    mains = {path.parent.name for path in second.glob("*/main.go")}
    assert {image.program for image in toolchain.UPGRADES if image.is_second} == mains


def test_images_for_upgrades_have_names_of_their_own() -> None:
    names = [image.name for image in toolchain.UPGRADES]
    assert len(set(names)) == len(names)


def test_second_versions_have_another_key_than_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    before = toolchain.second_versions_recipe().key
    monkeypatch.setattr(plan, "SECOND_VERSION", "v9")
    assert toolchain.second_versions_recipe().key.startswith("second-chains-v9-")
    assert toolchain.second_versions_recipe().key != before
