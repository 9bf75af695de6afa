"""Write the generated parts of README.md again: `python -m tests.house.write_readme`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tuitrain.preset import list_presets
from tuitrain.preset.chapters import by_chapter
from tuitrain.tasks import tables
from tuitrain.tasks.own import OWN_KINDS
from tuitrain.techniques.explaining import known_names
from tuitrain.ui.actions import key_table
from tuitrain.ui.compare_actions import COMPARE_ACTIONS
from tuitrain.ui.search_actions import SEARCH_ACTIONS

README = Path(__file__).resolve().parents[2] / "README.md"


def preset_table() -> str:
    """One row a chapter."""
    rows = ["| chapter | presets |", "|---|---|"]
    for chapter, members in by_chapter(list_presets()).items():
        rows.append(f"| {chapter} | {', '.join(f'`{preset.name}`' for preset in members)} |")
    return "\n".join(rows)


def technique_table() -> str:
    """One row a table."""
    rows = ["| | |", "|---|---|"]
    kinds = {
        **known_names(), "models": list(tables.MODELS), "activations": list(tables.ACTIVATIONS),
        "initialisations": list(tables.INITIALIZATIONS), "norms": list(tables.NORMS),
        "dropouts": list(tables.DROPOUT_KINDS), "preprocessings": list(tables.PREPROCESSINGS),
        "datasets": [*tables.DATASETS, *OWN_KINDS],
    }  # fmt: skip
    rows += [f"| {kind} | {', '.join(f'`{name}`' for name in names)} |" for kind, names in kinds.items()]
    return "\n".join(rows)


TABLES: dict[str, Callable[[], str]] = {
    "keys": key_table,
    "compare-keys": lambda: key_table(COMPARE_ACTIONS),
    "search-keys": lambda: key_table(SEARCH_ACTIONS),
    "presets": preset_table,
    "techniques": technique_table,
}
"""Mark in the README → what stands there."""


def main() -> None:
    """Put each table between its two marks."""
    text = README.read_text(encoding="utf-8")
    for mark, table_of in TABLES.items():
        table = table_of()
        between = f"<!-- {mark} -->\n{table}\n<!-- /{mark} -->"
        pattern = f"<!-- {mark} -->.*<!-- /{mark} -->"
        text = re.sub(pattern, between.replace("\\", r"\\"), text, flags=re.DOTALL)
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
