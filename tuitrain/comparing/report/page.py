"""A report as one HTML file: nothing is loaded, no script; light or dark, wide or as narrow as a phone."""

from __future__ import annotations

from html import escape

from tuitrain.board.verdict import BETTER, WORSE, Ranking, Standing
from tuitrain.comparing.report.chart import chart
from tuitrain.comparing.report.contents import Contents, Figure
from tuitrain.comparing.report.drawing import DARK, LIGHT, Drawing, Marker, shape_of
from tuitrain.comparing.report.numbers import difference_text, mean_text, remark
from tuitrain.comparing.report.vector import FONTS, clean, style, svg
from tuitrain.comparing.report.whisker import draw_whisker, whisker_range

_WIDE, _NARROW = 820.0, 360.0


def page(contents: Contents) -> str:
    """The whole file."""
    title = contents.title or "Comparison"
    parts = [
        "<header>",
        f"<h1>{_text(title)}</h1>",
        _paragraph(" · ".join(part for part in (contents.task, contents.created) if part), "muted"),
        _paragraph(contents.about),
        _paragraph(contents.look_for and f"Look for: {contents.look_for}", "muted"),
        "</header>",
        # The first verdict is what most readers came for.
        *(_ranking(ranking, contents.arms) for ranking in contents.rankings[:1]),
        *(_figure(figure, contents.arms) for figure in contents.figures),
        *(_ranking(ranking, contents.arms) for ranking in contents.rankings[1:]),
        _compared(contents),
        _notes(contents.notes),
        f'<footer class="muted">{_text(" · ".join(part for part in contents.footer if part))}</footer>',
    ]
    head = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{_text(title)}</title>\n<style>{_style()}</style>\n</head>\n<body>\n<main>\n"
    )
    return head + "\n".join(part for part in parts if part) + "\n</main>\n</body>\n</html>\n"


def _figure(figure: Figure, arms: tuple[str, ...]) -> str:
    wide = svg(chart(figure, arms, _WIDE), has_style=False)
    narrow = svg(chart(figure, arms, _NARROW), has_style=False)
    caption = f"<figcaption>{_text(figure.caption)}</figcaption>" if figure.caption else ""
    return f'<figure><div class="wide">{wide}</div><div class="narrow">{narrow}</div>{caption}</figure>'


def _ranking(ranking: Ranking, arms: tuple[str, ...]) -> str:
    better = "lower is better" if ranking.is_lower_better else "higher is better"
    scale = whisker_range(ranking)
    rows = [
        _standing(standing, arms.index(standing.arm), scale, is_best=place == 0)
        for place, standing in enumerate(ranking.standings)
    ]
    heads = ("arm", "mean ± deviation", "n", "difference to the best", "", "verdict")
    return (
        f'<section><h2>{_text(ranking.metric)} <small class="muted">{better}</small></h2>'
        f'<p class="verdict">{_text(ranking.sentence)}</p>{_table(heads, rows)}{_paragraph(ranking.footing, "muted")}'
        "</section>"
    )


def _standing(standing: Standing, arm: int, scale: tuple[float, float] | None, *, is_best: bool) -> str:
    whisker = ""
    if scale is not None and standing.difference is not None:
        drawing = Drawing(120.0, 22.0, standing.text)
        draw_whisker(drawing, standing, arm, scale, 4.0, 0.0, (112.0, 22.0))
        whisker = svg(drawing, has_style=False)
    kind = "better" if standing.word == BETTER else "worse" if standing.word == WORSE else "muted"
    extra = remark(standing, is_best=is_best)
    told = difference_text(standing, is_best=is_best)
    told = extra if standing.difference is None and extra else f"{told}; {extra}" if extra else told
    cells = (
        f"<th>{_swatch(arm)}{_text(standing.arm)}</th>",
        f'<td class="number">{_text(mean_text(standing))}</td>',
        f'<td class="number">{len(standing.values)}</td>',
        f'<td class="number">{_text(told)}</td>',
        f"<td>{whisker}</td>",
        f'<td class="{kind}">{_text(standing.word)}</td>',
    )
    return "".join(cells)


def _compared(contents: Contents) -> str:
    if not contents.table or not contents.columns:
        return ""
    rows = [
        f"<th>{_swatch(contents.arms.index(row.label))}{_text(row.label)}</th>"
        + "".join(f"<td>{_text(cell)}</td>" for cell in row.cells)
        for row in contents.table
    ]
    return f"<section><h2>What was compared</h2>{_table(('arm', *contents.columns), rows)}</section>"


def _notes(notes: tuple[str, ...]) -> str:
    if not notes:
        return ""
    return f"<section><h2>Notes</h2><ul>{''.join(f'<li>{_text(note)}</li>' for note in notes)}</ul></section>"


def _table(heads: tuple[str, ...], rows: list[str]) -> str:
    head = "".join(f"<td>{_text(name)}</td>" for name in heads)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _swatch(arm: int) -> str:
    drawing = Drawing(16.0, 12.0, "", [Marker(6.0, 6.0, shape_of(arm), arm, 3.8)])
    return svg(drawing, has_style=False)


def _paragraph(text: str, kind: str = "") -> str:
    marked = f' class="{kind}"' if kind else ""
    return f"<p{marked}>{_text(text)}</p>" if text else ""


def _text(text: str) -> str:
    return escape(clean(text))


def _style() -> str:
    def roles(colours: dict[str, str]) -> str:
        return "".join(f"--{role}:{colour};" for role, colour in colours.items())

    return (
        f":root{{{roles(LIGHT)}}}"
        f"@media (prefers-color-scheme: dark){{:root{{{roles(DARK)}}}}}"
        f"body{{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 {FONTS}}}"
        "main{max-width:820px;margin:0 auto;padding:24px 16px 48px}"
        "h1{font-size:1.7em;line-height:1.25;margin:.4em 0 .2em}h2{font-size:1.1em;margin:2em 0 .2em}"
        "small{font-weight:400;font-size:.8em}p{margin:.3em 0}.muted,figcaption{color:var(--muted);font-size:.88em}"
        ".verdict{font-size:1.05em;margin:.3em 0 .8em}figure{margin:2em 0 1em}svg{vertical-align:middle}"
        "figure svg{width:100%;height:auto}.narrow{display:none}"
        ".scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.88em}"
        "th,td{text-align:left;font-weight:400;padding:.35em .9em .35em 0;border-bottom:1px solid var(--grid);"
        "white-space:nowrap}thead td{color:var(--muted);border-color:var(--muted)}"
        "tbody th{max-width:20em;white-space:normal;overflow-wrap:anywhere;min-width:7em}"
        ".number{font-variant-numeric:tabular-nums}.better{color:var(--good);font-weight:600}"
        ".worse{color:var(--bad);font-weight:600}td.muted{font-size:1em}ul{padding-left:1.2em}footer{margin-top:2.5em}"
        "@media (max-width: 640px){.wide{display:none}.narrow{display:block}}" + style()
    )
