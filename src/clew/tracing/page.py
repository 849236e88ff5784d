"""The execution graph as a single HTML file with tooltips, zooming and dragging, which loads nothing else."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from clew.tracing.timeline import DARK, timeline_svg
from clew.tracing.trace import Event

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{title}</title>
<style>
body{{margin:0;padding:12px;background:#efece5;color:#22303a;font:13px system-ui,sans-serif}}
svg{{display:block;width:100%;height:auto;max-height:calc(100vh - 54px);touch-action:none;cursor:grab}}
p{{margin:0 0 8px}}kbd{{font:inherit;border:1px solid;border-radius:3px;padding:0 4px}}
#tip{{position:fixed;pointer-events:none;white-space:pre;padding:6px 9px;border-radius:6px;
background:#22303a;color:#fff}}
[data-tooltip]:hover{{stroke:#d55e00;stroke-width:2}}
@media (prefers-color-scheme:dark){{body{{background:#0c0f11;color:#e8e6e0}}#tip{{background:#e8e6e0;color:#10181d}}}}
</style>
</head>
<body>
<p>Point at a bar for its details. Wheel or <kbd>+</kbd> <kbd>-</kbd>: zoom. Drag or arrow keys: move.
Double click or <kbd>0</kbd>: show the whole graph.</p>
{picture}<div id="tip" hidden></div>
<script>
{script}</script>
</body>
</html>
"""
SCRIPT = """\
const svg = document.querySelector("svg"), tip = document.getElementById("tip"), all = svg.viewBox.baseVal;
const [width, height] = [all.width, all.height];
let view = [0, 0, width], held = null;
svg.querySelectorAll("rect > title, path > title").forEach(title => {
  title.parentNode.dataset.tooltip = title.textContent;
  title.remove();
});
function show(x, y, w) {
  w = Math.min(width, Math.max(width / 40, w));
  const h = w * height / width;
  view = [Math.min(width - w, Math.max(0, x)), Math.min(height - h, Math.max(0, y)), w];
  svg.setAttribute("viewBox", [view[0], view[1], w, h].join(" "));
}
function zoom(factor, at) {
  const w = Math.min(width, Math.max(width / 40, view[2] * factor)), k = w / view[2];
  show(at.x - (at.x - view[0]) * k, at.y - (at.y - view[1]) * k, w);
}
const place = event => new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
svg.addEventListener("wheel", event => {
  event.preventDefault();
  zoom(event.deltaY < 0 ? 0.8 : 1.25, place(event));
}, {passive: false});
svg.addEventListener("pointerdown", event => { held = place(event); svg.setPointerCapture(event.pointerId); });
svg.addEventListener("pointerup", () => { held = null; });
svg.addEventListener("dblclick", () => show(0, 0, width));
svg.addEventListener("pointerleave", () => { tip.hidden = true; });
svg.addEventListener("pointermove", event => {
  const at = place(event);
  if (held) show(view[0] + held.x - at.x, view[1] + held.y - at.y, view[2]);
  const text = event.target.dataset.tooltip;
  tip.hidden = !text || held !== null;
  if (tip.hidden) return;
  tip.textContent = text;
  tip.style.left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8) + "px";
  tip.style.top = Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8) + "px";
});
addEventListener("keydown", event => {
  const [x, y, w] = view, middle = {x: x + w / 2, y: y + w * height / width / 2};
  if (event.key === "+") zoom(0.8, middle);
  else if (event.key === "-") zoom(1.25, middle);
  else if (event.key === "0") show(0, 0, width);
  else if (event.key === "ArrowLeft") show(x - w / 8, y, w);
  else if (event.key === "ArrowRight") show(x + w / 8, y, w);
  else if (event.key === "ArrowUp") show(x, y - w / 8, w);
  else if (event.key === "ArrowDown") show(x, y + w / 8, w);
});
"""


def timeline_html(events: Sequence[Event], *, title: str, rounds: tuple[int, int] | None = None) -> str:
    """Return the execution graph of a run as an HTML page, for light and dark screens.

    Args:
        events: of a `Trace`.
        title: name of the run.
        rounds: rounds to draw in detail, from the first to before the second; None chooses some.

    Returns:
        HTML with its script and styles; it loads nothing from elsewhere.

    Raises:
        SettingError: if there are no events of rounds, or none of these rounds.
    """
    picture = timeline_svg(events, title=title, rounds=rounds)
    picture = picture.replace("</style>", f"@media (prefers-color-scheme:dark){{{DARK}}}</style>", 1)
    return PAGE.format(title=escape(title), picture=picture, script=SCRIPT)
