"""A report as GitHub's Markdown: the verdicts and the curves as tables."""

from __future__ import annotations

import math
import re

from tuitrain.board.verdict import BETTER, WORSE, Ranking
from tuitrain.comparing.report.contents import Contents, Figure, Line
from tuitrain.comparing.report.numbers import UNKNOWN, difference_text, mean_text, remark
from tuitrain.comparing.report.ticks import tick_label
from tuitrain.comparing.report.vector import clean

_MOST_ROWS = 11
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$])")


def markdown(contents: Contents) -> str:
    """The whole file."""
    blocks = [
        f"# {_text(contents.title or 'Comparison')}",
        _text(" · ".join(part for part in (contents.task, contents.created) if part)),
        _text(contents.about),
        contents.look_for and f"Look for: {_text(contents.look_for)}",
        *(_ranking(ranking) for ranking in contents.rankings),
        *(_figure(figure) for figure in contents.figures),
        _compared(contents),
        "\n".join(f"- {_text(note)}" for note in contents.notes),
        _text(" · ".join(part for part in contents.footer if part)),
        contents.figures and "The curves as a picture: the same report as a .svg, .png or .html file.",
    ]
    return "\n\n".join(str(block) for block in blocks if block) + "\n"


def _ranking(ranking: Ranking) -> str:
    better = "lower is better" if ranking.is_lower_better else "higher is better"
    rows: list[tuple[str, ...]] = []
    for place, standing in enumerate(ranking.standings):
        is_claim = standing.word in (BETTER, WORSE)
        told, extra = difference_text(standing, is_best=place == 0), remark(standing, is_best=place == 0)
        told = extra if standing.difference is None and extra else f"{told}; {extra}" if extra else told
        word = f"**{standing.word}**" if is_claim else standing.word
        rows.append((_text(standing.arm), mean_text(standing), str(len(standing.values)), _text(told), word))
    heads = ("arm", "mean ± deviation", "n", "difference to the best", "verdict")
    parts = [f"## {_text(ranking.metric)} ({better})", f"**{_text(ranking.sentence)}**"]
    return "\n\n".join([*parts, _table(heads, rows), _text(ranking.footing)])


def _figure(figure: Figure) -> str:
    """The means at some places along x: those of the first line that has the most."""
    longest = max(figure.lines, key=lambda line: len(line.xs), default=None)
    heads = (_text(figure.x_label), *(_text(line.label) for line in figure.lines))
    if longest is None or not longest.xs:
        return f"## {_text(figure.title)}\n\nNo values yet."
    num = min(_MOST_ROWS, len(longest.xs))
    chosen = dict.fromkeys(round(index * (len(longest.xs) - 1) / max(1, num - 1)) for index in range(num))
    rows = [
        (tick_label(float(f"{longest.xs[index]:.4g}")), *(_at(line, longest.xs[index]) for line in figure.lines))
        for index in chosen
    ]
    return "\n\n".join(
        part for part in (f"## {_text(figure.title)}", _table(heads, rows), _text(figure.caption)) if part
    )


def _at(line: Line, x: float) -> str:
    """The value at x, on the straight line between its neighbours; nothing beyond the ends."""
    for index, place in enumerate(line.xs):
        if place == x:
            return _value(line.ys[index])
        if place > x:
            if index == 0:
                break
            before, share = line.xs[index - 1], (x - line.xs[index - 1]) / (place - line.xs[index - 1])
            return _value(line.ys[index - 1] * (1 - share) + line.ys[index] * share) if before < x else UNKNOWN
    return UNKNOWN


def _value(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "diverged"


def _compared(contents: Contents) -> str:
    if not contents.table or not contents.columns:
        return ""
    heads = ("arm", *map(_text, contents.columns))
    rows = [(_text(row.label), *map(_text, row.cells)) for row in contents.table]
    return f"## What was compared\n\n{_table(heads, rows)}"


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _text(text: str) -> str:
    """On one line, with nothing in it that Markdown or HTML would take as markup."""
    return _SPECIAL.sub(r"\\\1", " ".join(clean(text).split()))
