"""What a key writes into the folder where one stands; nothing that is there is written over."""

from __future__ import annotations

from pathlib import Path

from tuitrain.errors import TuitrainError
from tuitrain.ui.comparison_source import ComparisonSource


def report_words(source: ComparisonSource, folder: Path) -> str:
    """Write a page on a comparison as it stands, and say so; or why it cannot be. May take a second.

    Args:
        source: of the comparison.
        folder: where the page goes.
    """
    from tuitrain.comparing.report.from_comparison import contents_of  # Pillow and all, which only this key needs
    from tuitrain.comparing.report.writing import write_report

    path = free_path(folder, source.comparison.plan.name or "comparison", ".html")
    try:
        with source.lock:
            contents = contents_of(source.comparison)
        write_report(contents, path)
    except TuitrainError as error:
        return str(error)
    return f"wrote {path}"


def free_path(folder: Path, name: str, suffix: str) -> Path:
    """The file of that name, or with a number where there is one."""
    path, number = folder / f"{name}{suffix}", 1
    while path.exists():
        number += 1
        path = folder / f"{name}-{number}{suffix}"
    return path
