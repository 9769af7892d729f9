"""Line charts as SVG, by hand: panels side by side, each with axes, units and a legend, on a light or a dark page.
growth draws with it. What must stay true: the same figures give the same file."""
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 420, 320, 62, 14, 28, 46
ROW = 14  # of the legend, which stands between title and lines
STYLE = """<style>
svg { background: #fff; font: 11px sans-serif; } text { fill: #24292f; } .title { font-weight: bold; font-size: 12px; }
.grid { stroke: #d8dee4; } .axis { stroke: #57606a; } .line { fill: none; stroke-width: 2; }
.c0 { stroke: #0969da; } .c1 { stroke: #cf222e; } .c2 { stroke: #1a7f37; } .c3 { stroke: #8250df; } .c4 { stroke: #bf8700; }
.c5 { stroke: #bc4c00; } .c9 { stroke: #57606a; stroke-dasharray: 4 4; }
.f0 { fill: #0969da; } .f1 { fill: #cf222e; } .f2 { fill: #1a7f37; }
.f3 { fill: #8250df; } .f4 { fill: #bf8700; } .f5 { fill: #bc4c00; }
@media (prefers-color-scheme: dark) {
svg { background: #0d1117; } text { fill: #e6edf3; } .grid { stroke: #30363d; } .axis { stroke: #8b949e; }
.c0 { stroke: #58a6ff; } .c1 { stroke: #ff7b72; } .c2 { stroke: #3fb950; } .c3 { stroke: #bc8cff; } .c4 { stroke: #e3b341; }
.c5 { stroke: #ffa657; } .c9 { stroke: #8b949e; }
.f0 { fill: #58a6ff; } .f1 { fill: #ff7b72; } .f2 { fill: #3fb950; } .f3 { fill: #bc8cff; }
.f4 { fill: #e3b341; } .f5 { fill: #ffa657; } }
</style>"""


def label(value):
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"


class Axis:
    def __init__(self, values, log, first, last):
        self.log, self.first, self.last = log, first, last
        values = [v for v in values if not log or v > 0] or [1]
        if log:
            self.low, self.high = 10 ** math.floor(math.log10(min(values))), 10 ** math.ceil(math.log10(max(values)))
            self.high = max(self.high, self.low * 10)
            self.ticks = [self.low * 10 ** i for i in range(round(math.log10(self.high / self.low)) + 1)]
        else:
            step = 10 ** math.floor(math.log10(max(values) or 1))
            step = next(s for s in (step / 5, step / 2, step, step * 2) if max(values) / s <= 6)
            self.low, self.high = 0, step * math.ceil(max(values) / step - 1e-9)
            self.ticks = [step * i for i in range(round(self.high / step) + 1)]

    def at(self, value):
        if self.log:
            share = (math.log10(max(value, self.low)) - math.log10(self.low)) / math.log10(self.high / self.low)
        else:
            share = value / self.high
        return self.first + (self.last - self.first) * share


def panel(left, top, title, x_name, y_name, series, log_x=False, log_y=False):
    """@series: [(name, [(x, y), ...])]; a name that begins with a dash is drawn as a guide, without points."""
    points = [p for _, line in series for p in line]
    x = Axis([p[0] for p in points], log_x, left + LEFT, left + WIDTH - RIGHT)
    y = Axis([p[1] for p in points], log_y, top + HEIGHT - BOTTOM, top + TOP + ROW * len(series))
    out = [f'<text class="title" x="{left + LEFT}" y="{top + 16}">{escape(title)}</text>',
           f'<text x="{(x.first + x.last) / 2:.0f}" y="{top + HEIGHT - 8}" text-anchor="middle">{escape(x_name)}</text>',
           f'<text transform="translate({left + 13},{(y.first + y.last) / 2:.0f}) rotate(-90)" text-anchor="middle">'
           f"{escape(y_name)}</text>"]
    for t in x.ticks:
        out.append(f'<line class="grid" x1="{x.at(t):.1f}" x2="{x.at(t):.1f}" y1="{y.first}" y2="{y.last}"/>'
                   f'<text x="{x.at(t):.1f}" y="{y.first + 15}" text-anchor="middle">{label(t)}</text>')
    for t in y.ticks:
        out.append(f'<line class="grid" x1="{x.first}" x2="{x.last}" y1="{y.at(t):.1f}" y2="{y.at(t):.1f}"/>'
                   f'<text x="{x.first - 5}" y="{y.at(t) + 4:.1f}" text-anchor="end">{label(t)}</text>')
    out.append(f'<path class="axis" fill="none" d="M{x.first} {y.last}V{y.first}H{x.last}"/>')
    for i, (name, line) in enumerate(series):
        colour = 9 if name.startswith("-") else i % 6
        places = [(x.at(a), y.at(b)) for a, b in line]
        out.append(f'<path class="line c{colour}" d="M' + "L".join(f"{a:.1f} {b:.1f}" for a, b in places) + '"/>')
        if colour != 9:
            out += [f'<circle class="f{colour}" cx="{a:.1f}" cy="{b:.1f}" r="2.5"/>' for a, b in places]
        row = top + TOP + ROW * i
        out.append(f'<path class="line c{colour}" d="M{x.first + 8} {row}h16"/>'
                   f'<text x="{x.first + 28}" y="{row + 4}">{escape(name.lstrip("-"))}</text>')
    return out


def figure(title, note, panels, columns=2):
    rows = -(-len(panels) // columns)
    width, height = WIDTH * columns, HEIGHT * rows + 44
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
           STYLE,
           f'<text class="title" x="14" y="18">{escape(title)}</text>', f'<text x="14" y="34">{escape(note)}</text>']
    for i, p in enumerate(panels):
        out += panel(i % columns * WIDTH, 44 + i // columns * HEIGHT, **p)
    return "\n".join(out) + "\n</svg>\n"
