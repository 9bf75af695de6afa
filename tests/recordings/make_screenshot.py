"""Draw the README's picture from a golden recording: `python -m tests.recordings.make_screenshot`."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from pathlib import Path

from tests.recordings import HERE, STEERED, copied

TARGET = HERE / "screenshot.svg"
_AT = 0.985
"""Share of the recording at which the picture is taken: late, while it still trains."""


def main() -> None:
    """Play the recording to that point, and save the screen without the fonts of a web server."""
    os.environ |= {"TEXTUAL_COLOR_SYSTEM": "truecolor", "COLORTERM": "truecolor"}
    with tempfile.TemporaryDirectory() as folder:
        svg = asyncio.run(_picture(Path(folder)))
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r"@font-face\s*\{.*?\}\s*", "", svg, flags=re.DOTALL)
    TARGET.write_text(svg.replace("Fira Code", "DejaVu Sans Mono"), encoding="utf-8")


async def _picture(folder: Path) -> str:
    from tuitrain.ui.app import TuitrainApp
    from tuitrain.ui.source import ReplaySource

    source = ReplaySource(copied(STEERED, folder), speed=1.0)
    source.is_playing = False
    app = TuitrainApp(source)
    async with app.run_test(size=(120, 36)) as pilot:
        while source.length == 0.0:
            await pilot.pause(0.1)
        source.seek(source.length * _AT)
        while source.board.step < 250:
            await pilot.pause(0.1)
        await pilot.pause(1.0)
        return app.export_screenshot(title="tuitrain replay")


if __name__ == "__main__":
    main()
