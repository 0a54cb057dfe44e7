"""Volumes: how full they are, and how large they should be."""

import datetime
from typing import Any

import pytest

from ics.conditions import Reason, Severity
from ics.config import volumes as config_volumes
from ics.consumer import volumes

GIB = 2**30
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
HOURS = datetime.timedelta(hours=1)
CLAIM = volumes.VolumeClaim(requested="10Gi", capacity="10Gi", storage_class="fast")
EXPANDS = {"fast": True, "fixed": False}


def settings(**changes: Any) -> config_volumes.VolumeGrowth:
    return config_volumes.VolumeGrowth.model_validate(changes)


def used(
    percent: int, before: int | None = None, hours: float = 0, size: int = 10 * GIB
) -> volumes.VolumeUse:
    """A file system of which so much is used, and so much some hours ago."""

    def measured(at: datetime.datetime, share: int) -> volumes.Measurement:
        return volumes.Measurement(at, size, size * share // 100, size - size * share // 100)

    old = measured(NOW - hours * HOURS, percent if before is None else before)
    return volumes.VolumeUse(measured(NOW, percent), old)


def grown(use: volumes.VolumeUse, claim: volumes.VolumeClaim = CLAIM, **changes: Any) -> str | None:
    return volumes.growth(settings(**{"max": "100Gi", **changes}), claim, use, EXPANDS)


def claim(
    requested: str = "10Gi", capacity: str = "10Gi", storage_class: str = "fast"
) -> volumes.VolumeClaim:
    return volumes.VolumeClaim(requested=requested, capacity=capacity, storage_class=storage_class)


def test_volume_grows_from_its_share_on_and_up_to_the_maximum() -> None:
    assert grown(used(79)) is None
    assert grown(used(80)) == "12Gi"
    assert grown(used(80), by="5%") == "10752Mi"
    assert grown(used(90), grow_at="91%") is None
    assert grown(used(80), max="11Gi") == "11Gi"
    assert grown(used(99), max="10Gi") is None


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(claim(storage_class="fixed"), id="the class does not expand"),
        pytest.param(claim(storage_class="unknown"), id="the class is not known"),
        pytest.param(claim(requested="12Gi"), id="an expansion is under way"),
        pytest.param(claim(requested="4Gi", capacity="4Gi"), id="the file system is the host's"),
    ],
)
def test_volume_does_not_grow_if_that_cannot_help(found: volumes.VolumeClaim) -> None:
    assert grown(used(95), found) is None


def test_nothing_grows_without_a_maximum() -> None:
    assert volumes.growth(settings(), CLAIM, used(99), EXPANDS) is None


@pytest.mark.parametrize(
    ("wanted", "present", "grows", "size"),
    [
        ("10Gi", None, None, "10Gi"),
        ("10Gi", "12Gi", None, "12Gi"),
        ("20Gi", "12Gi", None, "20Gi"),
        ("10Gi", "12Gi", "15Gi", "15Gi"),
        ("1024Mi", "1Gi", None, "1024Mi"),
        ("12G", "12Gi", None, "12Gi"),
    ],
)
def test_claim_never_gets_smaller(wanted: str, present: str | None, grows: str | None, size: str) -> None:
    found = None if present is None else claim(requested=present)
    assert volumes.size(wanted, found, grows) == size


def test_claim_of_a_class_that_does_not_expand_keeps_its_size_and_says_so() -> None:
    fixed = claim(storage_class="fixed")
    kept = volumes.plan("20Gi", settings(), fixed, None, EXPANDS, "0")
    assert kept.size == "10Gi"
    (condition,) = kept.conditions
    assert (condition.reason, condition.severity) == (Reason.VOLUME_SIZE_KEPT, Severity.INFO)
    assert "its volume keeps its size of 10Gi, though the settings ask for 20Gi" in condition.message
    assert "restore a snapshot" in condition.message
    assert volumes.plan("10Gi", settings(), fixed, None, EXPANDS) == volumes.VolumePlan(size="10Gi")
    # Where it is not known, the API server decides.
    assert volumes.plan("20Gi", settings(), fixed, None, {}).size == "20Gi"
    assert volumes.plan("20Gi", settings(), None, None, EXPANDS).size == "20Gi"


def test_conditions_name_the_node_and_its_own_settings() -> None:
    fixed = claim(storage_class="fixed")
    sentry = volumes.plan(
        "10Gi", settings(max="20Gi"), fixed, used(85), EXPANDS, "0", volumes.of_extra_node("sentry-1")
    )
    own = volumes.plan("10Gi", settings(), CLAIM, used(85), EXPANDS, texts=volumes.OF_PROVIDER_NODE)
    assert sentry.conditions[0].message == (
        "the volume of sentry-1 is 85 % full; StorageClass fixed does not expand volumes; raise storage in its"
        " definition or ics:node.storage, and delete PersistentVolumeClaim sentry-1-data and its pod: it has no"
        " consensus key, and fetches its data again"
    )
    assert own.conditions[0].message == (
        "the volume of the provider node is 85 % full; raise ics:provider_node.storage, or let it grow with"
        " ics:node.volume.max, if its StorageClass allows expansion"
    )


def severity(use: volumes.VolumeUse, found: volumes.VolumeClaim = CLAIM, **changes: Any) -> Severity | None:
    conditions = volumes.plan("1Gi", settings(**changes), found, use, EXPANDS, "0").conditions
    assert all(each.reason is Reason.VOLUME_FILLING for each in conditions)
    return conditions[0].severity if conditions else None


def test_filling_volume_is_reported_ahead_of_time() -> None:
    assert severity(used(79)) is None
    assert severity(used(80)) is Severity.WARNING
    assert severity(used(90)) is Severity.CRITICAL
    # 10 % of it within six hours: the other 40 % last a day, the other 60 % longer.
    assert severity(used(60, 50, hours=6)) is Severity.WARNING
    assert severity(used(61, 50, hours=6)) is Severity.CRITICAL
    assert severity(used(50, 49, hours=2)) is None
    # Too short a time, or freed space, says nothing about a rate.
    assert severity(used(60, 50, hours=0.9)) is None
    assert severity(used(60, 70, hours=6)) is None


def test_use_of_a_shared_disk_is_judged_by_its_share_alone() -> None:
    host = used(85, 50, hours=2, size=500 * GIB)
    assert severity(host) is None
    assert severity(used(90, size=500 * GIB)) is Severity.WARNING
    assert severity(used(95, size=500 * GIB)) is Severity.CRITICAL


def test_growth_is_an_info_and_its_end_a_warning() -> None:
    assert severity(used(85), max="100Gi") is Severity.INFO
    assert severity(used(85), max="100Gi", grow_at="95%") is None
    assert severity(used(85), max="10Gi") is Severity.WARNING
    assert severity(used(85), claim(storage_class="fixed"), max="100Gi") is Severity.WARNING
    assert severity(used(92), claim(requested="12Gi"), max="100Gi") is Severity.CRITICAL


@pytest.mark.parametrize(
    ("use", "found", "changes", "text"),
    [
        (used(85), CLAIM, {}, "ics:node.volume.max"),
        (used(85), CLAIM, {"max": "10Gi"}, "reached ics:node.volume.max (10Gi)"),
        (used(85), CLAIM, {"max": "20Gi"}, "expanded to 12Gi"),
        (used(85), claim(storage_class="fixed"), {"max": "20Gi"}, "StorageClass fixed does not expand"),
        (used(92), claim(requested="12Gi"), {"max": "20Gi"}, "expansion to 12Gi is under way"),
        (used(96, size=500 * GIB), CLAIM, {}, "shares its file system"),
    ],
)
def test_condition_says_what_to_do(
    use: volumes.VolumeUse, found: volumes.VolumeClaim, changes: dict[str, Any], text: str
) -> None:
    (condition,) = volumes.plan("1Gi", settings(**changes), found, use, EXPANDS, "0").conditions
    assert f"its volume is {use.percent} % full" in condition.message
    assert text in condition.message


LOG = """\
2025-12-31T22:00:00.000000001Z tmpfs              10485760   5242880   5242880      50% /data
2026-01-01T00:00:00.5Z tmpfs              10485760   6291456   4194304      60% /data
"""


def test_log_of_the_pod_is_measured_from_its_first_to_its_last_line() -> None:
    found = volumes.parse_log(LOG)
    assert found is not None
    assert (found.newest.size, found.newest.used, found.percent) == (10 * GIB, 6 * GIB, 60)
    assert found.oldest == volumes.Measurement(
        datetime.datetime(2025, 12, 31, 22, tzinfo=datetime.UTC), 10 * GIB, 5 * GIB, 5 * GIB
    )
    assert found.time_left is not None
    assert datetime.timedelta(hours=7) < found.time_left < datetime.timedelta(hours=9)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "df: not found",
        "2026-01-01T00:00:00Z df: /data: No such file or directory",
        "yesterday-yesterday-yes tmpfs 1 1 1 1% /data",
        "2026-01-01T00:00:00Z tmpfs 1 99999999999999999999 1 1% /data",
        "2026-01-01T00:00:00Z tmpfs 1 1 1 1000% /data",
        "2026-01-01T00:00:00Z " + "x" * 5000 + " 1 1 1 1% /data",
        "2026-01-01T00:00:00Z tmpfs -1 1 1 1% /data",
    ],
)
def test_whatever_else_a_chains_image_prints_is_no_measurement(line: str) -> None:
    assert volumes.parse_log(line) is None
    both = volumes.parse_log(f"{LOG}{line}\n")
    assert both == volumes.parse_log(LOG)


def test_name_of_a_file_system_may_have_spaces() -> None:
    found = volumes.parse_log("2026-01-01T00:00:00Z //nas/my share 100 50 50 50% /data")
    assert found is not None
    assert found.newest.size == 100 * 1024


def test_measurement_from_before_an_expansion_grows_nothing_again() -> None:
    expanded = claim(requested="12Gi", capacity="12Gi")
    assert grown(used(85), expanded) is None
    assert grown(used(85, size=12 * GIB), expanded) == "14746Mi"
    # What a file system needs for itself does not count as such a measurement.
    assert grown(used(85, size=97 * 12 * GIB // 100), expanded) == "14746Mi"
