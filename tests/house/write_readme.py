"""Write the generated parts of README.md again: `python -m tests.house.write_readme`."""

from __future__ import annotations

import re
from pathlib import Path

from tuitrain.ui.actions import key_table

README = Path(__file__).resolve().parents[2] / "README.md"


def main() -> None:
    """Put the key table between its two marks."""
    text = README.read_text(encoding="utf-8")
    table = f"<!-- keys -->\n{key_table()}\n<!-- /keys -->"
    README.write_text(
        re.sub(r"<!-- keys -->.*<!-- /keys -->", lambda _: table, text, flags=re.DOTALL), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
