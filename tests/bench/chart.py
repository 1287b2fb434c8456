"""The chart for the README: bars of CPU time per request, as SVG, readable on light and dark."""

from html import escape

WIDTH, ROW, LEFT, RIGHT, TOP = 760, 26, 260, 150, 46
STYLE = """
text { font: 13px sans-serif; fill: #57606a }
.title { font-weight: bold; font-size: 15px }
.bar { fill: #8c959f } .ours { fill: #1f883d } .base { fill: #0969da }
@media (prefers-color-scheme: dark) { text { fill: #adbac7 } }
"""


def draw(path, rows, facts):
    """`rows`: (name, cost, ratio). Bars that would push all others together are cut, and say so."""
    rows = sorted(rows, key=lambda row: row[1])
    costs = [cost for _, cost, _ in rows]
    longest = min(costs[-1], 4 * costs[len(costs) // 2])
    height = TOP + ROW * len(rows) + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>CPU time per request</title><style>{STYLE}</style>",
        f'<text class="title" x="10" y="24">CPU time per request, µs (less is better)</text>',
    ]
    for number, (name, cost, ratio) in enumerate(rows):
        y = TOP + ROW * number
        length = (WIDTH - LEFT - RIGHT) * min(cost, longest) / longest
        kind = "ours" if name.startswith("Tenon") else "base" if name.startswith("bare") else "bar"
        cut = " →" if cost > longest else ""
        parts += [
            f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(name)}</text>',
            f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{length:.1f}" height="18" rx="2"/>',
            f'<text x="{LEFT + length + 6:.1f}" y="{y + 14}">'
            f"{cost:.1f} (× {ratio:.2f}){cut}</text>",
        ]
    note = f"{facts['date']}, {facts['kernel']}, one core of {facts['cpu']}"
    parts += [f'<text x="10" y="{height - 10}">{escape(note)}</text>', "</svg>", ""]
    with open(path, "w") as file:
        file.write("\n".join(parts))
