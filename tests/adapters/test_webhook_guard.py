"""Where a webhook may go, judged without a packet."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.webhooks.guard import (
    DENIED_IPV4,
    DENIED_IPV6,
    MAX_URL_LENGTH,
    AddressRefused,
    Guard,
    Lookup,
)
from adapters.webhooks.lookup import SystemLookup
from tests.adapters.hostile_urls import NAMES, hostile_urls, url_of


async def _never(name: str) -> list[str]:
    raise AssertionError("Nobody is to be asked about a name.")


def _answering(*addresses: str) -> Lookup:
    async def answer(name: str) -> list[str]:
        return list(addresses)

    return answer


GUARD = Guard(_never, allow_loopback=False)
LENIENT = Guard(_never, allow_loopback=True)
LOOPBACK_URLS, OTHER_URLS = hostile_urls(8443)

# URLs.


@pytest.mark.parametrize("url", [*LOOPBACK_URLS, *OTHER_URLS], ids=repr)
def test_a_hostile_url_is_refused(url: str) -> None:
    assert GUARD.refusal(url) is not None


@pytest.mark.parametrize("url", OTHER_URLS, ids=repr)
def test_where_loopback_is_allowed_everything_else_is_refused_still(url: str) -> None:
    assert LENIENT.refusal(url) is not None


@pytest.mark.parametrize(
    "url",
    [
        *LOOPBACK_URLS,
        "http://127.0.0.1",
        "http://127.0.0.1:80/hooks",
        "http://[::1]:1/",
        "https://localhost:22?x",
    ],
)
def test_where_loopback_is_allowed_its_urls_are_good(url: str) -> None:
    assert LENIENT.refusal(url) is None


def test_a_refusal_is_one_of_a_few_sentences_and_shows_nothing_of_the_url() -> None:
    sentences = {GUARD.refusal(url) for url in [*LOOPBACK_URLS, *OTHER_URLS]}
    assert len(sentences) == 10
    for sentence in sentences:
        assert sentence is not None
        assert sentence.startswith("The URL")
        assert sentence.endswith(".")


def test_there_are_more_than_a_hundred_of_them_and_each_is_another() -> None:
    urls = [*LOOPBACK_URLS, *OTHER_URLS, *(url_of(name, 8443) for name in NAMES)]
    assert len(urls) == len(set(urls)) > 400


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example",
        "https://hooks.example/",
        "https://hooks.example?x=1",
        "https://hooks.example:443/a/b?c=d&e=%20",
        "https://hooks.example:1024/",
        "https://hooks.example:65535/",
        "HTTPS://Hooks.Example/Path",
        "https://hooks.example/@127.0.0.1:80/",
        "https://hooks.example/?url=https://127.0.0.1/",
        "https://xn--bcher-kva.example/",
        "https://0x7f.example/",
        "https://1.2.3.4.example/",
        "https://a-b.c--d.example/",
        "https://postgres.internal/",
        "https://printer.local/",
        "https://redis/",
        "https://localhost.example/",
        "https://mylocalhost/",
        "https://" + ".".join(["a" * 63] * 3 + ["b" * 61]) + "/",
        "https://hooks.example/".ljust(MAX_URL_LENGTH, "a"),
        "https://8.8.8.8/",
        "https://[2606:4700::1111]:8443/",
        "https://[::ffff:8.8.8.8]/",
        "https://[64:ff9b::808:808]/",
    ],
)
def test_a_public_url_is_good(url: str) -> None:
    assert GUARD.refusal(url) is None
    assert LENIENT.refusal(url) is None


@given(st.text(max_size=60) | st.text(max_size=60).map("https://{}".format))
def test_any_text_is_judged_without_an_error(text: str) -> None:
    assert GUARD.refusal(text) is None or GUARD.refusal(text) is not None


# Addresses.


def _addresses(version: int) -> st.SearchStrategy[int]:
    blocks = DENIED_IPV4 if version == 4 else DENIED_IPV6
    return st.one_of([st.integers(int(block[0]), int(block[-1])) for block in blocks])


def _parts(address: int, count: int) -> list[int]:
    """As inet_aton reads `count` parts: the last one fills what is left."""
    rest = 32 - 8 * (count - 1)
    octets = [address >> 24 & 255, address >> 16 & 255, address >> 8 & 255]
    return [*octets[: count - 1], address & ((1 << rest) - 1)]


def _notations(address: int) -> list[str]:
    """Every text that inet_aton(3) takes for the address, in its main varieties."""
    forms = ["{}", "0{:o}", "0x{:x}", "0X{:X}", "00{:o}", "0x0{:x}"]
    styles = [*([form] * 4 for form in forms), ["0x{:x}", "{}", "0{:o}", "{}"]]
    return [
        ".".join(form.format(part) for form, part in zip(style, parts, strict=False))
        for parts in (_parts(address, count) for count in (1, 2, 3, 4))
        for style in styles
    ]


def _wrapped(address: int) -> list[int]:
    """Every IPv6 address by which the IPv4 address might be reached."""
    high, low = address >> 16, address & 0xFFFF
    split = high << 64 | low << 40
    return [
        address,  # IPv4-compatible
        0xFFFF << 32 | address,  # IPv4-mapped
        0xFFFF << 48 | address,  # IPv4-translated
        0x64FF9B << 96 | address,  # NAT64
        0x64FF9B_0001 << 80 | address,  # NAT64 of a site, read as a /96
        0x64FF9B_0001 << 80 | split,  # as a /48
        0x64FF9B_0001 << 80 | (address >> 24) << 64 | (address & 0xFFFFFF) << 32,  # as a /56
        0x64FF9B_0001 << 80 | address << 24,  # as a /64
        0x2002 << 112 | address << 80,  # 6to4
        0x2002 << 112 | address << 80 | 0x0808_0808,
        0x2001 << 112 | 0x0808_0808 << 64 | address ^ 0xFFFF_FFFF,  # Teredo's client
        0x2001 << 112 | address << 64 | 0xF7F7_F7F7,  # Teredo's server
        0x2606_4700 << 96 | 0x5EFE << 32 | address,  # ISATAP
        0x2606_4700 << 96 | 0x0200_5EFE << 32 | address,
        0xFE80 << 112 | 0x5EFE << 32 | address,
    ]


@given(_addresses(4))
@example(0x7F00_0001)
@example(0xA9FE_A9FE)
@example(0)
def test_a_denied_ipv4_address_is_refused_in_every_notation(address: int) -> None:
    assert not GUARD.admits(str(IPv4Address(address)))
    for text in _notations(address):
        assert socket.inet_aton(text) == address.to_bytes(4), text
        assert GUARD.refusal(f"https://{text}/") is not None, text
        assert GUARD.refusal(f"https://{text}:8443/") is not None, text


@given(_addresses(4))
@example(0x7F00_0001)
@example(0x0A00_0001)
@example(0xA9FE_A9FE)
def test_a_denied_ipv4_address_is_refused_however_it_is_wrapped(address: int) -> None:
    dotted = str(IPv4Address(address))
    texts = [f"::ffff:{dotted}", f"64:ff9b::{dotted}", f"::{dotted}"]
    for number in _wrapped(address):
        wrapped = IPv6Address(number)
        texts += [str(wrapped), wrapped.exploded, wrapped.compressed.upper()]
    # ::0.0.0.1 is ::1, which is this machine itself.
    for text in [text for text in texts if IPv6Address(text) != IPv6Address("::1")]:
        for guard in (GUARD, LENIENT):
            assert not guard.admits(text), text
            assert guard.refusal(f"https://[{text}]/") is not None, text


@given(_addresses(6))
def test_a_denied_ipv6_address_is_refused_in_every_notation(number: int) -> None:
    address = IPv6Address(number)
    if address.ipv4_mapped or number >> 32 == 0x64FF9B << 64:
        return
    for text in (address.compressed, address.exploded, address.exploded.upper()):
        assert not GUARD.admits(text)
        assert not GUARD.admits(text + "%1")
        assert GUARD.refusal(f"https://[{text}]/") is not None


@given(st.ip_addresses() | st.sampled_from(["2002::1", "2001:db8::1"]).map(ip_address))
def test_what_python_itself_calls_not_global_is_never_admitted(
    address: IPv4Address | IPv6Address,
) -> None:
    # ::ffff:8.8.8.8 and the like are what is inside; Python 3.11 does not look.
    if not address.is_global and getattr(address, "ipv4_mapped", None) is None:
        assert not GUARD.admits(str(address))


NEIGHBOURS = """
    1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0
    168.63.129.15 168.63.129.17 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0
    191.255.255.255 192.0.1.0 192.0.3.0 192.88.98.255 192.88.100.0 192.167.255.255 192.169.0.0
    198.17.255.255 198.20.0.0 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255
    2001:200::1 2001:db7:ffff::1 2001:db9::1 2003::1 2606:4700::1111 2a00:1450:4001:82f::200e
    3ffe:ffff::1 ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2606:4700::5efe:8.8.8.8
"""


@pytest.mark.parametrize("address", NEIGHBOURS.split())
def test_the_neighbours_of_what_is_denied_are_admitted(address: str) -> None:
    assert GUARD.admits(address)


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f.1", "1.2.3.4/8", "::1%", "1"])
def test_what_is_no_address_is_not_admitted(text: str) -> None:
    assert not GUARD.admits(text)
    assert not LENIENT.admits(text)


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "169.254.169.254", "fe80::1", "::ffff:127.0.0.1", "0.0.0.1", "::"]
)
def test_allowing_loopback_allows_nothing_else(address: str) -> None:
    assert not LENIENT.admits(address)


# Names.


@pytest.mark.anyio
@pytest.mark.parametrize("name", NAMES)
async def test_one_bad_address_refuses_the_name(name: str) -> None:
    with pytest.raises(AddressRefused):
        await Guard(_answering(*NAMES[name]), allow_loopback=False).addresses(name)


@pytest.mark.anyio
async def test_all_addresses_of_a_good_name_are_given() -> None:
    guard = Guard(_answering("8.8.8.8", "2606:4700::1111"), allow_loopback=False)
    assert list(await guard.addresses("hooks.example")) == ["8.8.8.8", "2606:4700::1111"]


@pytest.mark.anyio
async def test_a_name_without_an_address_is_unknown() -> None:
    with pytest.raises(OSError, match="no address"):
        await Guard(_answering(), allow_loopback=False).addresses("hooks.example")


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "hooks.localhost"])
async def test_localhost_is_this_machine_without_asking(name: str) -> None:
    assert list(await LENIENT.addresses(name)) == ["127.0.0.1", "::1"]
    with pytest.raises(AddressRefused):
        await GUARD.addresses(name)


@pytest.mark.anyio
async def test_the_system_is_asked_for_every_address() -> None:
    lookup = SystemLookup(threads=1)
    try:
        assert "127.0.0.1" in await lookup("localhost")
    finally:
        lookup.close()
