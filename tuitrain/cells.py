"""Widths of text in cells of a terminal: a CJK letter or an emoji takes two, a combining mark none."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size


def num_cells(text: str) -> int:
    """Return how many cells a line takes."""
    return cell_len(text)


def left(text: str, width: int) -> str:
    """Return the text with blanks behind it, at least so wide."""
    return text + " " * (width - cell_len(text))


def right(text: str, width: int) -> str:
    """Return the text with blanks before it, at least so wide."""
    return " " * (width - cell_len(text)) + text


def head(text: str, width: int) -> str:
    """Return what fits into so many cells; of a longer text an ellipsis is the last."""
    return text if cell_len(text) <= width else set_cell_size(text, max(0, width - 1)).rstrip() + "…"[: max(0, width)]


def tail(text: str, width: int) -> str:
    """As `head`, of the end."""
    if cell_len(text) <= width:
        return text
    while text and cell_len(text) > width - 1:
        text = text[1:]
    return "…"[: max(0, width)] + text
