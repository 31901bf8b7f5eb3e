"""Style sheet of the map.

A page serves it as a file, so that `style-src 'self'` holds; an exported map contains it.
"""

import base64
import hashlib
import re

LIGHT = {
    "paper": "#fcfbf8",
    "ink": "#22262b",
    "quiet": "#5c626a",
    "card": "#f4f2ec",
    "edge": "#e3dfd5",
    "pill": "#ffffff",
    "line": "#c9c3b6",
    "curve": "#a59d8d",
    "faded": "#666c73",
    "accent": "#2554c0",
    "on-accent": "#ffffff",
    "tint": "#eaf0fd",
    "good": "#1d7a4a",
    "bad": "#b3261e",
    "busy": "#8a5a00",
}
DARK = {
    "paper": "#14161a",
    "ink": "#e9e7e2",
    "quiet": "#a3a8af",
    "card": "#1b1e23",
    "edge": "#2a2e35",
    "pill": "#262a31",
    "line": "#444a54",
    "curve": "#697180",
    "faded": "#9ba1a9",
    "accent": "#8fb6ff",
    "on-accent": "#0e1a30",
    "tint": "#202e4a",
    "good": "#68c592",
    "bad": "#ff8f86",
    "busy": "#e3b556",
}

# `$name` is a colour. It is written twice: as it is, for software that knows no custom properties,
# and as a property.
RULES = """
.picture { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans",
  "Noto Sans CJK SC", "PingFang SC", "Hiragino Sans", "Microsoft YaHei",
  "Noto Sans CJK JP", sans-serif;
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.picture text { fill: $ink; }
.picture-alone { background: $paper; }
.picture .p-paper { fill: $paper; }
.picture .p-bold { font-weight: 600; }
.picture .p-quiet { fill: $quiet; }
.picture .p-card { fill: $card; stroke: $edge; }
.picture .p-track { fill: $edge; }
.picture .p-done-part { fill: $good; }
.picture .p-curves, .picture .p-arrow { fill: none; stroke: $curve; stroke-width: 1.25; }
.picture .p-past { stroke: $edge; }
.picture .p-over { paint-order: stroke; stroke: $card; stroke-width: 5; stroke-linejoin: round; }
.picture .p-pill { fill: $pill; stroke: $line; }
.picture path, .picture rect { stroke-linecap: round; stroke-linejoin: round; }
.picture .p-mark { fill: none; stroke: $quiet; stroke-width: 1.5; }
.picture .p-full { fill: $quiet; stroke: none; }
.picture .p-queued .p-mark { stroke-dasharray: 2 2; }
.picture .p-queued .p-pill, .picture .p-cancelled .p-pill { stroke-dasharray: 3 3; }
.picture .p-building .p-mark { stroke: $busy; }
.picture .p-building .p-full { fill: $busy; }
.picture .p-failed .p-mark, .picture .p-failed .p-pill { stroke: $bad; }
.picture .p-failed .p-full { fill: $bad; }
.picture .p-learning .p-mark { stroke: $accent; }
.picture .p-learning .p-full { fill: $accent; }
.picture .p-learning .p-pill { fill: $tint; stroke: $accent; }
.picture .p-done .p-full, .picture .p-learned .p-full { fill: $good; }
.picture .p-tick { fill: none; stroke: $card; stroke-width: 1.75; }
.picture .p-done .p-pill, .picture .p-learned .p-pill,
.picture .p-skipped .p-pill { fill: $card; stroke: $edge; }
.picture .p-done text, .picture .p-learned text, .picture .p-skipped text,
.picture .p-queued text, .picture .p-cancelled text { fill: $faded; }
.picture .p-next .p-pill { fill: $accent; stroke: $accent; }
.picture .p-next text { fill: $on-accent; }
.picture .p-next .p-mark { stroke: $on-accent; }
.picture .p-next .p-full { fill: $on-accent; }
.picture a { text-decoration: none; outline: none; }
.picture .p-traced { visibility: hidden; pointer-events: none; fill: none;
  stroke: $accent; stroke-width: 2; }
.picture .p-concept:hover .p-traced, .picture a:focus-visible .p-traced { visibility: visible; }
.picture a:hover .p-pill { stroke: $accent; }
.picture a:focus-visible .p-pill { stroke: $accent; stroke-width: 3; }
.picture .p-next:focus-visible .p-pill, .picture a:focus-visible .p-next .p-pill { stroke: $ink; }
.pictures .picture-rows { display: none; }
@media (max-width: 719.98px) {
  .pictures .picture-rows { display: block; width: 100%; max-width: 30rem;
    height: auto; margin: 0 auto; }
  .pictures .picture-columns { display: none; }
}
@media print {
  .picture { max-width: 100%; height: auto; }
  .picture-alone { background: none; }
  .picture .p-paper { fill: none; }
  .picture .p-traced { display: none; }
  .pictures .picture-columns { display: block; }
  .pictures .picture-rows { display: none; }
}
@media (forced-colors: active) {
  .picture .p-pill, .picture .p-card { stroke: CanvasText; fill: Canvas; }
  .picture text { fill: CanvasText; }
  .picture .p-next .p-pill { stroke: Highlight; stroke-width: 3; }
  .picture .p-next text { fill: CanvasText; }
}
"""


def _properties(colours: dict[str, str]) -> str:
    return " ".join(f"--p-{name}: {colour};" for name, colour in colours.items())


_LIGHT, _DARK = _properties(LIGHT), _properties(DARK)
_RULES = re.sub(
    r"(?<![a-z-])([a-z-]+): \$([a-z-]+);",
    lambda match: f"{match[1]}: {LIGHT[match[2]]}; {match[1]}: var(--p-{match[2]});",
    RULES,
)
STYLE = (
    f".picture {{ {_LIGHT} }}\n"
    f"@media screen and (prefers-color-scheme: dark) {{ .picture {{ {_DARK} }} }}\n"
    f'@media screen {{ [data-theme="light"] .picture {{ {_LIGHT} }} '
    f'[data-theme="dark"] .picture {{ {_DARK} }} }}'
    f"{_RULES}"
)
# For style-src of a document that contains it.
STYLE_SOURCE = f"'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'"
