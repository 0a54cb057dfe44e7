"""Durations, prices, quantities, peers and images, as settings write them; pure."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Annotated

import pydantic

from ics import errors
from ics.cosmos import coins, images, peers, times

_QUANTITY = re.compile(
    r"([0-9]{1,18}(?:\.[0-9]{1,9})?)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][-+]?[0-9]{1,2})?"
)
_LEAST, _MOST = 2**20, 2**60
"""Bytes of a volume."""
_RESOURCE = re.compile(
    r"cpu|memory|ephemeral-storage|hugepages-[0-9A-Za-z]+|[a-z0-9][a-z0-9.-]*/[A-Za-z0-9._-]+"
)
_PERCENT = re.compile(r"([0-9]{1,3})%")
_FRACTION = re.compile(r"[0-9]+(\.[0-9]{1,18})?")


def parse_seconds(value: object) -> int:
    """Parse `30s`, `5m`, `2h` or `1d` into seconds.

    Raises:
        ValueError: the value is not a duration, or has a fraction of a second.
    """
    whole, fraction = divmod(times.parse_duration(str(value)), times.SECOND)
    if fraction:
        raise ValueError(f"invalid duration {value!r}; use whole seconds, e.g. 30s")
    return whole


def parse_nanoseconds(value: object) -> int:
    """Parse `24h`, `540s`, `1.5s`, `2d` or `forever` (the longest duration that a chain can hold) into nanoseconds.

    Raises:
        ValueError: the value is not a duration.
    """
    return times.LONGEST if value == "forever" else times.parse_duration(str(value))


def format_nanoseconds(nanoseconds: int | str) -> str:
    """Format a duration so that `parse_nanoseconds` returns it; what a chain has instead of one stays as it is."""
    if isinstance(nanoseconds, str):
        return nanoseconds
    return "forever" if nanoseconds == times.LONGEST else times.format_duration(nanoseconds)


def fraction(value: object) -> str:
    """Validate a decimal number from 0 to 1 and return it as text.

    Raises:
        ValueError: the value is not such a number.
    """
    # YAML makes a float of 0.00001, whose text would be 1e-05.
    text = format(Decimal(repr(value)), "f") if isinstance(value, float) else str(value)
    if isinstance(value, bool) or not _FRACTION.fullmatch(text) or Decimal(text) > 1:
        raise ValueError(f"invalid fraction {value!r}; use a number from 0 to 1, e.g. 0.05")
    return text


def format_decimal(value: Decimal) -> str:
    """Format a decimal number without an exponent and without zeros at its end."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _checked(check: Callable[[str], object], text: str) -> str:
    try:
        check(text)
    except errors.SettingsError as error:
        # pydantic adds the key to a ValueError only.
        raise ValueError(str(error)) from error
    return text


def _price(text: str) -> str:
    return _checked(coins.parse_price, text)


def _prices(text: str) -> str:
    return _checked(coins.parse_prices, text)


def _denom(text: str) -> str:
    return _checked(coins.check_denom, text)


def _image(text: str) -> str:
    return _checked(images.check, text)


def check_image(text: str) -> str:
    """Check the name of a container image.

    Raises:
        ValueError: it is not one.
    """
    return _image(text)


def _repository(text: str) -> str:
    return _checked(images.check_repository, text)


def _no_image(text: str) -> str:
    return _image(text) if text else text


def _quantity(text: str) -> str:
    if not _QUANTITY.fullmatch(text):
        raise ValueError(f"invalid quantity {text!r}; use a number and a unit, e.g. 10Gi")
    return text


def _size(text: str) -> str:
    if not _LEAST <= amount(_quantity(text)) <= _MOST:
        raise ValueError(f"invalid size {text!r} of a volume; use 1Mi to 1Ei, e.g. 10Gi")
    return text


def amount(quantity: str) -> Decimal:
    """Return the number that a quantity stands for, such as the bytes of 10Gi; 0 if it is not one."""
    match = _QUANTITY.fullmatch(quantity)
    number, unit = match.groups() if match is not None else ("0", "")
    if (unit or "")[:1] in ("e", "E") and unit not in ("E", "Ei"):
        return Decimal(f"{number}{unit}")
    exponent = " kMGTPE".find((unit or " ")[0].replace("K", "k"))
    factor = (
        Decimal("0.001") if unit == "m" else Decimal(1024 if (unit or "").endswith("i") else 1000) ** exponent
    )
    return Decimal(number) * factor


def format_bytes(count: int) -> str:
    """Return a number of bytes as a quantity with the largest binary unit that divides it."""
    for exponent, unit in ((3, "Gi"), (2, "Mi"), (1, "Ki")):
        if count and count % 1024**exponent == 0:
            return f"{count // 1024**exponent}{unit}"
    return str(count)


def parse_percent(value: object) -> int:
    """Parse a whole number of percent from 0 to 100, such as `80%`.

    Raises:
        ValueError: the value is not such a number.
    """
    match = _PERCENT.fullmatch(str(value))
    if match is None or int(match[1]) > 100:
        raise ValueError(f"invalid share {value!r}; use a whole number of percent, e.g. 80%")
    return int(match[1])


def _resources(groups: Mapping[str, Mapping[str, str]]) -> Mapping[str, Mapping[str, str]]:
    """Check requests and limits as the API server does."""
    for group, amounts in groups.items():
        if group not in ("requests", "limits"):
            raise ValueError(f"{group}: unknown; use requests and limits")
        for name, text in amounts.items():
            if not _RESOURCE.fullmatch(name):
                raise ValueError(f"{group}.{name}: not a resource; use cpu, memory or such")
            try:
                _quantity(text)
            except ValueError as error:
                raise ValueError(f"{group}.{name}: {error}") from error
    limits = groups.get("limits", {})
    for name, text in groups.get("requests", {}).items():
        if name in limits and amount(text) > amount(limits[name]):
            raise ValueError(
                f"requests.{name}: {text} is more than its limit {limits[name]}; correct one of them"
            )
    return groups


def _peer(text: str) -> str:
    """Return the address without a scheme, and with the node id in lower case, as nodes compare it."""
    return str(peers.parse(_checked(peers.parse, text)))


Duration = Annotated[
    int, pydantic.BeforeValidator(parse_seconds), pydantic.PlainSerializer(lambda count: f"{count}s")
]
"""Seconds, written as `30s`, `5m`, `2h` or `1d`."""
Nanoseconds = Annotated[
    int, pydantic.BeforeValidator(parse_nanoseconds), pydantic.PlainSerializer(format_nanoseconds)
]
"""Nanoseconds, written as `24h` or `forever`."""
Fraction = Annotated[str, pydantic.BeforeValidator(fraction)]
"""A decimal number from 0 to 1."""
Percent = Annotated[
    int, pydantic.BeforeValidator(parse_percent), pydantic.PlainSerializer(lambda count: f"{count}%")
]
"""A share, written as `80%`."""
Price = Annotated[str, pydantic.AfterValidator(_price)]
"""Amount and denomination, such as 0.001stake."""
Prices = Annotated[str, pydantic.AfterValidator(_prices)]
"""A node's `minimum-gas-prices`, separated by commas."""
Denom = Annotated[str, pydantic.AfterValidator(_denom)]
"""A denomination."""
Image = Annotated[str, pydantic.AfterValidator(_image)]
"""Name of a container image."""
Repository = Annotated[str, pydantic.AfterValidator(_repository)]
"""Name of a container image without tag and digest."""
OptionalImage = Annotated[str, pydantic.AfterValidator(_no_image)]
"""Name of a container image, or nothing."""
Quantity = Annotated[str, pydantic.AfterValidator(_quantity)]
"""An amount as Kubernetes writes it."""
Size = Annotated[str, pydantic.AfterValidator(_size)]
"""Size of a volume, as Kubernetes writes it."""
Resources = Annotated[Mapping[str, Mapping[str, str]], pydantic.AfterValidator(_resources)]
"""Requests and limits of a container."""
Peer = Annotated[str, pydantic.AfterValidator(_peer)]
"""`<node id>@<host>:<port>`"""
