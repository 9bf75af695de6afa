"""The moments of a preset: the same commands that a person gives, at given steps."""

from __future__ import annotations

from tuitrain.preset.schema import Preset
from tuitrain.protocol.commands import Request
from tuitrain.protocol.describe import parse_command
from tuitrain.techniques.checking import check_command


def moments_of(preset: Preset, session: str) -> list[tuple[int, Request]]:
    """Pairs of (step, request) in the order in which they apply: by step, then as they stand in the file."""
    moments = [
        (
            moment.at_step,
            Request(
                id=f"moment-{index:04d}",
                session=session,
                actor="preset",
                time=0.0,
                command=check_command(parse_command(moment.do, moment.further)),
            ),
        )
        for index, moment in enumerate(preset.moment, start=1)
    ]
    return sorted(moments, key=lambda item: item[0])
