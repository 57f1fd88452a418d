"""Endpoints that somebody might register to reach what is none of theirs.

`{port}` is where a listener on this machine's loopback would hear whoever comes.
"""

from typing import Final

LOOPBACK: Final = (
    "https://127.0.0.1:{port}/",
    "https://127.0.0.2:{port}/",
    "https://127.255.255.254:{port}/",
    "https://[::1]:{port}/",
    "https://[0:0:0:0:0:0:0:1]:{port}/",
    "https://[::0.0.0.1]:{port}/",
    "https://localhost:{port}/",
    "https://LocalHost:{port}/",
    "https://hooks.localhost:{port}/",
    "http://127.0.0.1:{port}/",
    "http://[::1]:{port}/",
    "http://localhost:{port}/",
    "HTTP://LOCALHOST:{port}/",
)
"""Plainly this machine: allowed where loopback is, refused everywhere else."""

NUMBERS: Final = """
    2130706433 4294967297 017700000001 00000000000000000000000017700000001 0x7f000001 0X7F000001
    0x00000000000000007f000001 127.1 127.0.1 0177.1 0177.0.0.1 0177.0.0.01 0x7f.1 0x7f.0.0.1
    0x7f.0x0.0x0.0x1 127.0.0.0x1 127.0.0.01 127.0.0.001 127.000.000.001 0127.0.0.1 127.0.0.1.
    127.0.0.1.. .127.0.0.1 127..1 127.0.0.1.0 127.0.0.256 127.0.0.08 0 00 0.0 0x 0x0 127.0.0.0x
    hooks.example.1 hooks.0x7f 2852039166 0xa9fea9fe 169.254.43518 0251.0376.0251.0376
    0xA9.0xFE.0xA9.0xFE 3232235521 0xc0.168.1 10.1 012.0.0.1
"""
"""Notations that one parser or another takes for an IPv4 address."""

ADDRESSES: Final = """
    0.0.0.0 0.255.255.255 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255
    168.63.129.16 169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255 192.0.0.1
    192.0.0.192 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1 192.168.0.1 192.168.255.255
    192.175.48.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255
    240.0.0.1 255.255.255.255 [::] [::2] [::127.0.0.1] [::7f00:1] [::ffff:127.0.0.1]
    [::FFFF:7F00:1] [0:0:0:0:0:ffff:7f00:0001] [::ffff:0.0.0.0] [::ffff:10.0.0.1]
    [::ffff:169.254.169.254] [::ffff:0:127.0.0.1] [64:ff9b::127.0.0.1] [64:ff9b::7f00:1]
    [64:ff9b::a9fe:a9fe] [64:ff9b::10.0.0.1] [64:ff9b:1::7f00:1] [64:ff9b:1:7f00:0:100::]
    [64:ff9b:1:a00:0:100:808:808] [2002:7f00:1::] [2002:7f00:1::7f00:1] [2002:a9fe:a9fe::1]
    [2002:a00:1::1] [2001:0:808:808:0:0:80ff:fffe] [2001:0:7f00:1:0:0:f7f7:f7f7]
    [2606:4700::5efe:127.0.0.1] [2606:4700::5efe:7f00:1] [2606:4700::200:5efe:10.0.0.1]
    [fe80::5efe:127.0.0.1] [fe80::1] [febf::1] [fec0::1] [fc00::1] [fd00::2] [fd00:ec2::254]
    [ff02::1] [ff0e::1] [100::1] [2001::1] [2001:2::1] [2001:10::1] [2001:20::1] [2001:1ff::1]
    [2001:db8::1] [2620:4f:8000::1] [3fff::1] [5f00::1] [4000::1] [8000::1]
"""
"""Well written, and no place for a webhook, wherever loopback is allowed or not."""

HOSTS: Final = (
    # A zone, a port or a bracket where none may be.
    "[fe80::1%25eth0]",
    "[fe80::1%eth0]",
    "[::1%25lo]",
    "[::1%lo]",
    "[127.0.0.1]",
    "[::ffff:0x7f.1]",
    "[::ffff:127.1]",
    "[::1",
    "::1",
    "[::1]x",
    "[[::1]]",
    "[1::2::3]",
    "[v1.a:b]",
    "[]",
    "",
    # What IDNA or percent-decoding would make 127.0.0.1 or localhost of.
    "１２７.0.0.1",
    "127。0。0。1",
    "127．0．0．1",
    "①②⑦.⓪.⓪.①",
    "²130706433",
    "ⓛocalhost",
    "locａlhost",
    "local\u00adhost",
    "local\u200bhost",
    "LOCALHO\u017fT",
    "127%2e0%2e0%2e1",
    "%31%32%37.0.0.1",
    "%6cocalhost",
    "localhost%00.example.com",
    "localhost%2f.example.com",
    "[%3a%3a1]",
    # Names that are none.
    "localhost.",
    "localhost..",
    "hooks.example.",
    ".localhost",
    "hooks..example",
    "-hooks.example",
    "hooks-.example",
    "hooks_.example",
    "*.example",
    "a" * 64 + ".example",
    ".".join(["a" * 49] * 6),
    "bücher.example",
    # Somebody before an at sign, and what parsers make of it.
    "user@127.0.0.1",
    "user:password@127.0.0.1",
    "user:password@hooks.example",
    "@127.0.0.1",
    ":@127.0.0.1",
    "hooks.example@127.0.0.1",
    "hooks.example:443@127.0.0.1",
    "127.0.0.1:80@hooks.example",
    "hooks.example%40127.0.0.1",
    "hooks.example\\@127.0.0.1",
    "127.0.0.1\\@hooks.example",
    "127.0.0.1\\.hooks.example",
    "hooks.example;127.0.0.1",
    "hooks.example,127.0.0.1",
    "127.0.0.1 hooks.example",
    "hooks.example&@127.0.0.1",
)
"""Hosts that are neither a name nor an address, to be followed by a port."""

PORTS: Final = (
    "0,1,22,25,53,80,110,389,444,465,1023,65536,66979,99999,4294967739,-1,+443,0443,00443,0x1bb,"
    "443x,４４３,443:443,1e4,443@127.0.0.1,44 3,"
)
"""Behind a good host."""

URLS: Final = (
    "",
    " ",
    "hooks.example",
    "hooks.example:{port}",
    "127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "/",
    "https:",
    "https://",
    "https:///127.0.0.1:{port}/",
    "https:/127.0.0.1:{port}/",
    "https:127.0.0.1:{port}/",
    "https://?127.0.0.1",
    "https:\\\\127.0.0.1:{port}\\",
    "http://hooks.example/",
    "http://8.8.8.8/",
    "http://hooks.example:443/",
    "ws://127.0.0.1:{port}/",
    "wss://hooks.example/",
    "ftp://127.0.0.1:{port}/",
    "gopher://127.0.0.1:{port}/_POST",
    "dict://127.0.0.1:{port}/x",
    "ldap://127.0.0.1:{port}/",
    "tcp://127.0.0.1:{port}/",
    "file:///etc/passwd",
    "file://127.0.0.1/etc/passwd",
    "unix:///var/run/docker.sock",
    "http+unix://%2fvar%2frun%2fdocker.sock/",
    "https+unix://hooks.example/",
    "javascript:alert(1)",
    "data:text/plain,x",
    "jar:https://hooks.example!/",
    "view-source:https://hooks.example/",
    "url:https://127.0.0.1:{port}/",
    "httpſ://hooks.example/",
    "https://hooks.example/#",
    "https://hooks.example#@127.0.0.1:{port}/",
    "https://127.0.0.1:{port}#@hooks.example/",
    "https://hooks.example/ ",
    " https://hooks.example/",
    "\thttps://hooks.example/",
    "https://hooks.example/\n",
    "ht\ntps://hooks.example/",
    "https://hooks\t.example/",
    "https://hooks.example/\r\nHost: 127.0.0.1",
    "https://hooks.example/ HTTP/1.1\r\nX: y",
    "https://hooks.example/\x00",
    "https://hooks.example/\x7f",
    "https://hooks.example/\x85",
    "https://hooks.example/\u2028",
    "https://hooks.example/ü",
    "https://hooks.example/\ud800",
    "https://hooks.example\\..\\",
    "https://hooks.example/\\",
    'https://hooks.example/"',
    "https://hooks.example/<x>",
    "https://hooks.example/{{x}}",
    "https://hooks.example/^`|",
    "https://hooks.example/" + "a" * 2_027,
    "https://" + "a." * 2_000 + "example/",
)
"""Other shapes."""

NAMES: Final[dict[str, tuple[str, ...]]] = {
    "loopback.example": ("127.0.0.1",),
    "127.0.0.1.nip.example": ("127.0.0.1",),
    "other-loopback.example": ("127.0.0.2",),
    "loopback6.example": ("::1",),
    "zero.example": ("0.0.0.0",),  # noqa: S104 - nothing is bound
    "zero6.example": ("::",),
    "mapped.example": ("::ffff:127.0.0.1",),
    "compatible.example": ("::127.0.0.1",),
    "nat64.example": ("64:ff9b::7f00:1",),
    "local-nat64.example": ("64:ff9b:1::7f00:1",),
    "6to4.example": ("2002:7f00:1::1",),
    "teredo.example": ("2001:0:808:808::80ff:fffe",),
    "isatap.example": ("2606:4700::5efe:7f00:1",),
    "private.example": ("10.0.0.1",),
    "postgres.internal": ("172.17.0.2",),
    "printer.local": ("192.168.1.9",),
    "redis": ("192.168.0.2",),
    "metadata.google.internal": ("169.254.169.254",),
    "metadata6.example": ("fd00:ec2::254",),
    "azure.example": ("168.63.129.16",),
    "carrier.example": ("100.64.0.1",),
    "link.example": ("fe80::1",),
    "zone.example": ("fe80::1%2",),
    "zone-of-public.example": ("2606:4700::1%1",),
    "multicast.example": ("224.0.0.1",),
    "broadcast.example": ("255.255.255.255",),
    "bad-first.example": ("127.0.0.1", "93.184.216.34"),
    "bad-last.example": ("93.184.216.34", "1.1.1.1", "8.8.8.8", "127.0.0.1"),
    "bad6-last.example": ("93.184.216.34", "2606:4700::1111", "::1"),
    "bad4-last.example": ("2606:4700::1111", "10.0.0.1"),
    "bad-middle.example": ("1.1.1.1", "::ffff:127.0.0.1", "8.8.8.8"),
    "numbers.example": ("2130706433",),
    "octal.example": ("0177.0.0.1",),
    "noise.example": ("no address",),
    "empty.example": ("",),
}
"""What a name, good in form, stands for."""


def hostile_urls(port: int) -> tuple[list[str], list[str]]:
    """Those of loopback, and those that are refused even where loopback is allowed. The latter
    hold two whose names stand for nothing but loopback."""
    loopback = [url.format(port=port) for url in LOOPBACK]
    plain = [*NUMBERS.split(), *ADDRESSES.split()]
    others = [
        *(f"https://{host}:{port}/" for host in (*plain, *HOSTS)),
        *(f"http://{host}:{port}/" for host in plain),
        *(f"https://hooks.example:{wrong}/" for wrong in PORTS.split(",")),
        *(url.format(port=port) for url in URLS),
    ]
    return loopback, others


def url_of(name: str, port: int) -> str:
    return f"https://{name}:{port}/"
