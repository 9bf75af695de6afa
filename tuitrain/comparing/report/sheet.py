"""A whole report as one picture: what was compared, the charts, the verdicts, the notes."""

from __future__ import annotations

from tuitrain.board.verdict import BETTER, WORSE, Ranking
from tuitrain.comparing.report.chart import chart_height, draw_chart
from tuitrain.comparing.report.contents import Contents
from tuitrain.comparing.report.drawing import Drawing, Ink, Marker, Polyline, Rect, Text, shape_of
from tuitrain.comparing.report.lettering import shortened, text_width, wrapped
from tuitrain.comparing.report.numbers import difference_text, mean_text, remark
from tuitrain.comparing.report.whisker import draw_whisker, whisker_range

WIDTH = 880.0
MOST_FIGURES = 3
"""Charts, and verdicts, of a picture: the first ones. A page or a text can be as long as it likes."""
_MARGIN = 32.0
_INNER = WIDTH - 2 * _MARGIN
_ROW = 22.0
# Left edges of the columns of a ranking, from the left edge of the table.
_ARM, _MEAN, _NUM, _DIFFERENCE, _WHISKER, _WORD = 0.0, 204.0, 330.0, 372.0, 548.0, 672.0


def sheet(contents: Contents) -> Drawing:
    """Everything below each other, as high as it needs."""
    writer = _Writer(contents)
    writer.head()
    for figure in contents.figures[:MOST_FIGURES]:
        writer.space(14.0)
        draw_chart(writer.drawing, figure, contents.arms, _MARGIN, writer.y, _INNER)
        writer.space(chart_height(figure))
        writer.paragraph(figure.caption, 11.0, "muted")
    for ranking in contents.rankings[:MOST_FIGURES]:
        writer.ranking(ranking)
    left_out = [ranking.metric for ranking in contents.rankings[MOST_FIGURES:]]
    if left_out:
        writer.space(14.0)
        writer.paragraph(f"In a report as .html or .md as well: {', '.join(left_out)}.", 11.5, "muted")
    writer.table()
    if contents.notes:
        writer.space(16.0)
        for note in contents.notes:
            writer.paragraph(note, 11.5, "ink")
    writer.space(14.0)
    writer.paragraph(" · ".join(part for part in contents.footer if part), 10.5, "muted")
    return writer.finished()


class _Writer:
    """Writes from the top down; `y` is where the next thing begins."""

    def __init__(self, contents: Contents) -> None:
        self.contents = contents
        self.arms = {label: index for index, label in enumerate(contents.arms)}
        self.drawing = Drawing(WIDTH, 0.0, contents.title)
        self.y = 26.0

    def finished(self) -> Drawing:
        self.drawing.height = round(self.y + 22.0)
        self.drawing.marks.insert(0, Rect(0.0, 0.0, WIDTH, self.drawing.height, "paper"))
        return self.drawing

    def space(self, height: float) -> None:
        self.y += height

    def head(self) -> None:
        contents = self.contents
        self.paragraph(contents.title or "Comparison", 20.0, "ink", is_bold=True)
        self.paragraph(" · ".join(part for part in (contents.task, contents.created) if part), 11.5, "muted")
        if contents.about or contents.look_for:
            self.space(6.0)
        self.paragraph(contents.about, 12.5, "ink")
        self.paragraph(contents.look_for and f"Look for: {contents.look_for}", 12.5, "muted")

    def paragraph(self, text: str, size: float, ink: Ink, *, is_bold: bool = False) -> None:
        for line in wrapped(text, size, _INNER * (0.94 if is_bold else 1.0)):
            self.y += size * 1.4
            self._text(0.0, line, size, ink, is_bold=is_bold)

    def ranking(self, ranking: Ranking) -> None:
        self.space(36.0)
        better = "lower is better" if ranking.is_lower_better else "higher is better"
        self._text(0.0, ranking.metric, 13.5, "ink", is_bold=True)
        self._text(text_width(ranking.metric, 13.5, is_bold=True) + 10.0, better, 11.5, "muted")
        self.paragraph(ranking.sentence, 12.5, "ink")
        if not ranking.standings:
            return
        self.space(20.0)
        heads = {_ARM: "arm", _MEAN: "mean ± deviation", _NUM: "n", _DIFFERENCE: "difference to the best"}
        for x, head in {**heads, _WORD: "verdict"}.items():
            self._text(x, head, 11.0, "muted")
        self._rule(6.0, "muted")
        self.space(6.0)
        scale = whisker_range(ranking)
        for place, standing in enumerate(ranking.standings):
            arm = self.arms[standing.arm]
            self.space(_ROW)
            self._name(standing.arm, arm, _MEAN - _ARM)
            self._text(_MEAN, mean_text(standing), 11.5)
            self._text(_NUM, str(len(standing.values)), 11.5)
            told = difference_text(standing, is_best=place == 0)
            extra = remark(standing, is_best=place == 0)
            self._text(
                _DIFFERENCE, shortened(extra if standing.difference is None and extra else told, 11.5, 172.0), 11.5
            )
            if scale is not None and standing.difference is not None:
                where = _MARGIN + _WHISKER, self.y - 4.0 - _ROW / 2
                draw_whisker(self.drawing, standing, arm, scale, *where, (_WORD - _WHISKER - 24.0, _ROW))
            is_claim = standing.word in (BETTER, WORSE)
            ink: Ink = "muted" if not is_claim else "good" if standing.word == BETTER else "bad"
            self._text(_WORD, standing.word, 11.5, ink, is_bold=is_claim)
            self._rule(7.0, "grid")
        self.space(8.0)
        self.paragraph(ranking.footing, 10.5, "muted")

    def table(self) -> None:
        """What was compared, under the heads of the contents."""
        rows, columns = self.contents.table, self.contents.columns
        if not rows or not columns:
            return
        self.space(36.0)
        edges = self._edges()
        self._text(0.0, "arm", 11.0, "muted")
        for (x, width), head in zip(edges, columns, strict=False):
            self._text(x, shortened(head, 11.0, width), 11.0, "muted")
        self._rule(6.0, "muted")
        self.space(6.0)
        for row in rows:
            self.space(_ROW)
            self._name(row.label, self.arms[row.label], edges[0][0] if edges else _INNER)
            for (x, width), cell in zip(edges, row.cells, strict=False):
                self._text(x, shortened(cell, 11.5, width), 11.5)
            self._rule(7.0, "grid")

    def _edges(self) -> list[tuple[float, float]]:
        """Left edge and width of each column: as wide as it needs, all of them narrower where they do not fit."""
        rows, columns = self.contents.table, self.contents.columns
        needed = [
            max(
                [
                    text_width(head, 11.5),
                    *(text_width(row.cells[index], 11.5) for row in rows if index < len(row.cells)),
                ]
            )
            + 18.0
            for index, head in enumerate(columns)
        ]
        room = _INNER - _MEAN
        share = min(1.0, room / sum(needed))
        edges, x = [], _MEAN
        for width in needed:
            edges.append((x, width * share - 10.0))
            x += width * share
        return edges

    def _name(self, label: str, arm: int, width: float) -> None:
        self.drawing.marks.append(Marker(_MARGIN + 5.0, self.y - 4.0, shape_of(arm), arm, 3.6))
        self._text(16.0, shortened(label, 11.5, width - 30.0), 11.5)

    def _text(self, x: float, text: str, size: float, ink: Ink = "ink", *, is_bold: bool = False) -> None:
        self.drawing.marks.append(Text(_MARGIN + x, self.y, text, size, ink, is_bold=is_bold))

    def _rule(self, below: float, ink: Ink) -> None:
        y = self.y + below
        self.drawing.marks.append(Polyline(((_MARGIN, y), (WIDTH - _MARGIN, y)), ink))
