"""Where a webhook may go, and where never: the one place that knows.

Integrators choose the URLs, and Harbor stands in a network that they shall not reach through it
(server-side request forgery, https://cwe.mitre.org/data/definitions/918.html). A URL is judged by
its form when it is registered, and again at each attempt together with every address that its name
has then. The connection goes to those addresses and not to what a second look-up says.

`ipaddress.is_global` would not do: to CPython 3.11 multicast, 192.88.99.0/24, the NAT64 form of
127.0.0.1 and others are "global".
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

MAX_URL_LENGTH: Final = 2048
MAX_NAME_LENGTH: Final = 253
LOOPBACK_NAME: Final = "localhost"
LOOPBACK: Final = ("127.0.0.1", "::1")
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}
_FIRST_FREE_PORT: Final = 1024
"""Below are mail, shells and directories, which a POST could be made to talk to. 443 is allowed."""
_LAST_PORT: Final = 65_535

DENIED_IPV4: Final = tuple(
    IPv4Network(block)
    for block in (
        # Every block of the registry, whatever it says of its reach: none is a place for a server.
        # https://www.iana.org/assignments/iana-ipv4-special-registry
        "0.0.0.0/8",  # this network (RFC 791); Linux takes 0.0.0.0 for 127.0.0.1
        "10.0.0.0/8",  # private (RFC 1918)
        "100.64.0.0/10",  # shared by carriers (RFC 6598); clouds keep their metadata here too
        "127.0.0.0/8",  # loopback (RFC 1122)
        "169.254.0.0/16",  # link-local (RFC 3927); the metadata of most clouds
        "172.16.0.0/12",  # private (RFC 1918)
        "192.0.0.0/24",  # protocol assignments (RFC 6890)
        "192.0.2.0/24",  # documentation (RFC 5737)
        "192.31.196.0/24",  # AS112 (RFC 7535)
        "192.52.193.0/24",  # AMT (RFC 7450)
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "192.168.0.0/16",  # private (RFC 1918)
        "192.175.48.0/24",  # AS112 (RFC 7534)
        "198.18.0.0/15",  # benchmarking (RFC 2544)
        "198.51.100.0/24",  # documentation (RFC 5737)
        "203.0.113.0/24",  # documentation (RFC 5737)
        "240.0.0.0/4",  # reserved, and broadcast (RFC 1112, RFC 919)
        # Not in it:
        "224.0.0.0/4",  # multicast (RFC 5771)
        "168.63.129.16/32",  # Azure's host agent, which looks public and is the machine's own
    )
)
DENIED_IPV6: Final = tuple(
    IPv6Network(block)
    for block in (
        # All but 2000::/3, which alone is global unicast (RFC 4291): with them ::, ::1, what is
        # IPv4-compatible or -translated, 64:ff9b:1::/48 (which hides an IPv4 address in any of
        # five places, RFC 8215), 100::/64, 5f00::/16, fc00::/7, fe80::/10, fec0::/10, ff00::/8.
        "::/3",
        "4000::/2",
        "8000::/1",
        # https://www.iana.org/assignments/iana-ipv6-special-registry
        "2001::/23",  # protocol assignments (RFC 2928): Teredo, benchmarking, ORCHID, DRIP, …
        "2001:db8::/32",  # documentation (RFC 3849)
        "2002::/16",  # 6to4, given up (RFC 7526): tunnels to any IPv4 address
        "2620:4f:8000::/48",  # AS112 (RFC 7534)
        "3fff::/20",  # documentation (RFC 9637)
    )
)
# These stand for an IPv4 address and nothing else; a network without IPv4 reaches all of it so.
_IPV4_MAPPED: Final = IPv6Network("::ffff:0:0/96")  # RFC 4291
_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052
_ISATAP: Final = frozenset({0x0000_5EFE, 0x0200_5EFE})
"""The first half of an interface identifier whose other half is an IPv4 address. RFC 5214."""

_URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<rest>[^#]*)"
)
_URL_CHARACTERS: Final = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*")
_AUTHORITY: Final = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(?P<port>[1-9][0-9]{0,4}))?"
)
_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")

Address = IPv4Address | IPv6Address
Lookup = Callable[[str], Awaitable[Sequence[str]]]
"""The addresses of a name, as text. Raises OSError where there are none."""


class AddressRefused(Exception):
    """No webhook may go there. The message says why in one sentence and repeats no input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    scheme: str
    host: str
    """A name in lower case, or an address without brackets."""
    address: Address | None
    port: int

    @property
    def is_loopback(self) -> bool:
        if self.address is None:
            return _is_loopback_name(self.host)
        return _is_loopback(self.address)


class Guard:
    """With `allow_loopback`, for a developer's machine, this machine's own addresses are allowed,
    there also by http and on every port; nothing else is."""

    def __init__(self, lookup: Lookup, *, allow_loopback: bool) -> None:
        self._lookup = lookup
        self._allow_loopback = allow_loopback

    def refusal(self, url: str) -> str | None:
        """Why a webhook may not have this URL, by its form alone; None when it may."""
        try:
            self._judge(_read(url))
        except AddressRefused as refused:
            return str(refused)
        return None

    def admits(self, address: str) -> bool:
        """Whether a connection may go to the address, as the operating system writes it."""
        try:
            return self._may_reach(ip_address(address))
        except ValueError:
            return False

    async def addresses(self, host: str) -> Sequence[str]:
        """All addresses of a name, now. Raises AddressRefused when one of them is none for a
        webhook, OSError when there are none."""
        # Nobody else's servers are asked what this machine is called (RFC 6761, section 6.3).
        found = LOOPBACK if _is_loopback_name(host.lower()) else await self._lookup(host)
        if not found:
            raise OSError("The name has no address.")
        if not all(self.admits(address) for address in found):
            raise AddressRefused("The name stands for an address that no webhook may go to.")
        return found

    def _judge(self, target: _Target) -> None:
        if target.is_loopback and self._allow_loopback:
            return
        if target.scheme != "https":
            raise AddressRefused("The URL must begin with https://.")
        if target.port != _DEFAULT_PORTS["https"] and target.port < _FIRST_FREE_PORT:
            raise AddressRefused("The URL's port must be 443, or 1024 or more.")
        if target.is_loopback or not self._may_name(target.address):
            raise AddressRefused("The URL's host is an address that no webhook may go to.")

    def _may_name(self, address: Address | None) -> bool:
        return address is None or self._may_reach(address)

    def _may_reach(self, address: Address) -> bool:
        return _is_public(address) or (self._allow_loopback and _is_loopback(address))


def _is_loopback(address: Address) -> bool:
    """As it stands: one that is wrapped has no good reason to be."""
    if isinstance(address, IPv4Address):
        return address in IPv4Network("127.0.0.0/8")
    return address == IPv6Address("::1")


def _is_loopback_name(name: str) -> bool:
    return name == LOOPBACK_NAME or name.endswith("." + LOOPBACK_NAME)


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in block for block in DENIED_IPV4)
    inner = IPv4Address(int(address) & 0xFFFF_FFFF)
    if address in _IPV4_MAPPED or address in _NAT64:
        return _is_public(inner)
    is_tunnel = int(address) >> 32 & 0xFFFF_FFFF in _ISATAP
    if address.scope_id is not None or (is_tunnel and not _is_public(inner)):
        return False
    return not any(address in block for block in DENIED_IPV6)


def _read(url: str) -> _Target:
    """The URL's parts. Only what RFC 3986 allows and every parser reads alike goes through, so
    that nobody connects elsewhere than was judged. Raises AddressRefused."""
    if len(url) > MAX_URL_LENGTH:
        raise AddressRefused(f"The URL must have at most {MAX_URL_LENGTH} characters.")
    if _URL_CHARACTERS.fullmatch(url) is None:
        raise AddressRefused(
            "The URL must have only the characters of RFC 3986: other ones are percent-encoded, "
            "and international names written in their xn-- form."
        )
    if "#" in url:
        raise AddressRefused("The URL must have no fragment.")
    parts = _URL.fullmatch(url)
    scheme = "" if parts is None else parts["scheme"].lower()
    if parts is None or scheme not in _DEFAULT_PORTS:
        raise AddressRefused("The URL must begin with https://.")
    host, port = _split(parts["authority"])
    return _Target(
        scheme=scheme,
        host=host,
        address=_literal(host),
        port=_DEFAULT_PORTS[scheme] if port is None else port,
    )


def _split(authority: str) -> tuple[str, int | None]:
    if "@" in authority:
        raise AddressRefused("The URL must have no user name and no password.")
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise AddressRefused(
            "The URL's host must be a DNS name, or an IP address in plain notation, "
            "with a port behind it or none."
        )
    port = None if parts["port"] is None else int(parts["port"])
    if port is not None and port > _LAST_PORT:
        raise AddressRefused("The URL's port must be 443, or 1024 or more.")
    return parts["host"].lower(), port


def _literal(host: str) -> Address | None:
    """The address that the host is; None for a name. Raises AddressRefused for what is neither.

    Who reads 127.1, 0177.0.0.1 or 0x7f000001 as an address, as many do, would go to another place
    than was judged: whatever ends in a number must be four plain decimal ones.
    https://url.spec.whatwg.org/#ends-in-a-number-checker
    """
    try:
        if host.startswith("["):
            return IPv6Address(host[1:-1])
        if _NUMBER.fullmatch(host.rpartition(".")[2]):
            return IPv4Address(host)
    except ValueError:
        raise AddressRefused("The URL's host is no IP address in plain notation.") from None
    labels = host.split(".")
    if len(host) > MAX_NAME_LENGTH or not all(_LABEL.fullmatch(label) for label in labels):
        raise AddressRefused("The URL's host is no DNS name.")
    return None
