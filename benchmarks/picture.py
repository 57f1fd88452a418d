"""The picture of the documentation: how many orders each contender takes in a second."""

from collections.abc import Sequence
from typing import Any, Final
from xml.sax.saxutils import escape

from benchmarks.contenders import TITLES

CONNECTIONS: Final = 64
SHOWN: Final = ("harbor", "harbor_redis", "go", "node", "raw", "tutorial")

_WIDTH: Final = 760
_BAR_LEFT: Final = 235
_BAR_MOST: Final = 430
_ROW: Final = 38
_BAR: Final = 24
_TOP: Final = 62

_STYLE: Final = """\
text { font: 14px system-ui, sans-serif; fill: #1f2328; }
.title { font-size: 16px; font-weight: 600; }
.note { font-size: 12px; fill: #59636e; }
.own { fill: #0969da; }
.peer { fill: #8c959f; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; }
  .note { fill: #9198a1; }
  .own { fill: #4493f8; }
  .peer { fill: #656c76; }
}"""


def picture(document: dict[str, Any]) -> str:
    """An SVG made of a results file; its background is that of the page."""
    bars = _bars(document["absolute"])
    most = max(value for _, value in bars)
    machine = document["machine"]
    rows = [_row(number, name, value, most) for number, (name, value) in enumerate(bars)]
    height = _TOP + _ROW * len(bars) + 14
    note = (
        f"median; load generator, service and PostgreSQL {document['versions']['postgresql']}"
        f" (fsync on) share {machine['cores']} cores"
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"'
            f' width="{_WIDTH}" height="{height}" role="img" aria-labelledby="title">',
            f'<title id="title">Durable, idempotent orders a second: {_told(bars)}</title>',
            f"<style>\n{_STYLE}\n</style>",
            f'<text class="title" x="0" y="20">Durable, idempotent orders a second,'
            f" {CONNECTIONS} connections</text>",
            f'<text class="note" x="0" y="42">{escape(note)}</text>',
            *rows,
            "</svg>",
            "",
        ]
    )


def _bars(loads: Sequence[dict[str, Any]]) -> list[tuple[str, float]]:
    """Contender and rate, the fastest first."""
    found = [
        (load["contender"], load["per_second"])
        for load in loads
        if load["work"] == "create"
        and load["connections"] == CONNECTIONS
        and not load["slow_disk"]
        and load["contender"] in SHOWN
    ]
    return sorted(found, key=lambda bar: -bar[1])


def _row(number: int, name: str, value: float, most: float) -> str:
    top = _TOP + _ROW * number
    width = max(1, round(_BAR_MOST * value / most))
    kind = "own" if name.startswith("harbor") else "peer"
    middle = top + _BAR / 2 + 5
    return (
        f'<text x="{_BAR_LEFT - 12}" y="{middle:g}" text-anchor="end">{escape(TITLES[name])}</text>'
        f'<rect class="{kind}" x="{_BAR_LEFT}" y="{top}" width="{width}" height="{_BAR}" rx="3"/>'
        f'<text x="{_BAR_LEFT + width + 10}" y="{middle:g}">{value:,.0f}</text>'
    )


def _told(bars: Sequence[tuple[str, float]]) -> str:
    return escape("; ".join(f"{TITLES[name]} {value:,.0f}" for name, value in bars))
