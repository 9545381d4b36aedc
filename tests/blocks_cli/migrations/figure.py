"""Figure of the kill matrix: one square for each message at which a deploy was interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SQUARE, _PITCH, _ROW, _LEFT, _TOP = 5, 6, 22, 130, 62
_COLOURS = {"killed": "#2d6a4f", "torn": "#8fbf9f"}


def draw(phases: Sequence[str], killed: Mapping[str, int], torn: Mapping[str, int]) -> str:
    """Return an SVG with one line of squares per kind of interruption, coloured by phase."""
    longest = max(*killed.values(), *torn.values())
    width, height = _LEFT + longest * _PITCH + 60, _TOP + len(phases) * _ROW + 12
    total = sum(killed.values()) + sum(torn.values())
    title = f"{total:,} interruptions, all with the same end"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f"<title>{title}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="22" font-size="14" font-weight="bold">{title}</text>',
        *_legend(sum(killed.values()), sum(torn.values())),
    ]
    for number, phase in enumerate(phases):
        top = _TOP + number * _ROW
        lines.append(f'<text x="12" y="{top + 12}">{phase}</text>')
        lines.append(_squares(_COLOURS["killed"], top, killed[phase]))
        lines.append(_squares(_COLOURS["torn"], top + _SQUARE + 2, torn[phase]))
        right = _LEFT + max(killed[phase], torn[phase]) * _PITCH + 6
        lines.append(f'<text x="{right}" y="{top + 11}" fill="#555555">{killed[phase] + torn[phase]}</text>')
    return "\n".join([*lines, "</svg>", ""])


def _legend(killed: int, torn: int) -> list[str]:
    texts = {
        "killed": f"{killed} times the process was killed",
        "torn": f"{torn} times its connections were torn",
    }
    return [
        f'<rect x="{x}" y="35" width="9" height="9" fill="{_COLOURS[name]}"/><text x="{x + 15}" y="44">{text}</text>'
        for x, (name, text) in zip((12, 250), texts.items(), strict=True)
    ]


def _squares(colour: str, top: int, count: int) -> str:
    path = "".join(f"M{_LEFT + n * _PITCH} {top}h{_SQUARE}v{_SQUARE}h-{_SQUARE}z" for n in range(count))
    return f'<path fill="{colour}" d="{path}"/>'
