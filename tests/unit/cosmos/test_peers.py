"""Peer addresses as CometBFT reads them."""

import pytest

from ics import errors
from ics.cosmos import peers

ID = "a1" * 20


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (f"{ID}@seed.example.com:26656", f"{ID}@seed.example.com:26656"),
        (f"{ID}@1.2.3.4:1", f"{ID}@1.2.3.4:1"),
        (f"{ID}@[2001:db8::1]:65535", f"{ID}@[2001:db8::1]:65535"),
        (f"tcp://{ID.upper()}@seed_1:26656", f"{ID}@seed_1:26656"),
    ],
)
def test_address_that_a_node_takes_is_read(text: str, read: str) -> None:
    assert str(peers.parse(text)) == read


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"{ID}@2001:db8::1:26656", "an IPv6 address needs brackets"),
        (f"{ID}@tcp://1.2.3.4:26656", "a scheme after the node id"),
        ("seed.example.com:26656", "no node id"),
        (f"{ID[:-1]}@h:1", "is not 40 hex digits"),
        (f"{ID}@h", "no port"),
        (f"{ID}@:26656", "no port"),
        (f"{ID}@h:0", "'0' is not a port from 1 to 65535"),
        (f"{ID}@h:65536", "'65536' is not a port"),
        (f"{ID}@h:٣", "'٣' is not a port"),
        (f"{ID}@1.2.3:26656", "'1.2.3' is neither an IP address nor a host name"),
        (f"{ID}@[1.2.3.4]:26656", "use brackets for IPv6 only"),
        (f"{ID}@[fe80::1%eth0]:26656", "is not an IPv6 address"),
        (f"{ID}@a b:26656", "neither an IP address nor a host name"),
        (f"{ID}@a,{ID}@b:26656", "is not 40 hex digits"),
    ],
)
def test_address_with_which_a_node_exits_is_refused(text: str, problem: str) -> None:
    with pytest.raises(errors.SettingsError) as caught:
        peers.parse(text)
    assert problem in str(caught.value)


def test_only_names_must_be_resolved() -> None:
    hosts = ("seed.example.com", "1.2.3.4", "[2001:db8::1]")
    assert [peers.parse(f"{ID}@{host}:1").is_name for host in hosts] == [True, False, False]
