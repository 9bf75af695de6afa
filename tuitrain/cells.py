"""Widths of text in cells of a terminal: a CJK letter or an emoji takes two, a combining mark none."""

from __future__ import annotations


def num_cells(text: str) -> int:
    """Return how many cells a line takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # processes that print no table do without it

    return cell_len(text)


def left(text: str, width: int) -> str:
    """Return the text with blanks behind it, at least so wide."""
    return text + " " * (width - num_cells(text))


def right(text: str, width: int) -> str:
    """Return the text with blanks before it, at least so wide."""
    return " " * (width - num_cells(text)) + text


def beginning(text: str, width: int) -> str:
    """Return what fits into so many cells; of a longer text an ellipsis is the last."""
    if num_cells(text) <= width:
        return text
    text = text[:width]
    while text and num_cells(text) > width - 1:
        text = text[:-1]
    return text + "…"[:width]


def ending(text: str, width: int) -> str:
    """As `beginning`, of the end."""
    if num_cells(text) <= width:
        return text
    text = text[-width:]
    while text and num_cells(text) > width - 1:
        text = text[1:]
    return "…"[:width] + text
