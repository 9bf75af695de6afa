"""What a report says, before it has a form."""

from __future__ import annotations

from dataclasses import dataclass

from tuitrain.board.verdict import Ranking


@dataclass(frozen=True)
class Line:
    """One arm's way in a figure."""

    label: str
    """Of the arm: the same label has the same colour in every figure."""
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    """Means over the members; where one is not finite the line is broken."""
    lows: tuple[float, ...] = ()
    """Lower edge of the band, as long as `xs`; empty for a line without one."""
    highs: tuple[float, ...] = ()


@dataclass(frozen=True)
class Figure:
    """A chart: one metric, all arms."""

    title: str
    x_label: str
    y_label: str
    is_log: bool
    """Whether y is drawn by its logarithm; values that are not positive have no place then."""
    lines: tuple[Line, ...]
    caption: str = ""
    """What line and band are."""


@dataclass(frozen=True)
class Row:
    """An arm in the table of what was compared."""

    label: str
    cells: tuple[str, ...]
    """One for each of the columns."""


@dataclass(frozen=True)
class Contents:
    """A whole report."""

    title: str
    about: str = ""
    """What was compared, in sentences."""
    look_for: str = ""
    """What a reader should look for."""
    task: str = ""
    created: str = ""
    """When, as people write it."""
    figures: tuple[Figure, ...] = ()
    columns: tuple[str, ...] = ()
    """Heads of the table's cells."""
    table: tuple[Row, ...] = ()
    rankings: tuple[Ranking, ...] = ()
    """The metric of the comparison first."""
    notes: tuple[str, ...] = ()
    """What a reader must know of it: runs that failed, seeds that are missing."""
    footer: tuple[str, ...] = ()
    """Versions and machines."""

    @property
    def arms(self) -> tuple[str, ...]:
        """Labels in the order of their colours: as in the table, then as in the figures, then as ranked."""
        labels = [row.label for row in self.table]
        labels += [line.label for figure in self.figures for line in figure.lines]
        labels += [standing.arm for ranking in self.rankings for standing in ranking.standings]
        return tuple(dict.fromkeys(labels))
