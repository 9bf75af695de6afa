"""The process that runs one's own command at the end of a run and at alarms: it lives beside the trainer.

It reads one line an occasion from its stdin and runs the command for one after the other, each for a limited time.
Training never waits for it, it outlives a trainer that was killed, and it imports nothing but the standard library.
What it and the command print goes to output.log.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from typing import Any


def main(lines: Iterable[bytes]) -> None:
    """Work until the end of a run was told; where its trainer is gone without a word, tell that.

    Args:
        lines: first what to run, then one line an occasion, all JSON.
    """
    head: dict[str, Any] | None = None
    step, has_failed = "0", False
    for line in lines:
        try:
            said = json.loads(line)
        except ValueError:
            continue  # half a line of a trainer that was killed
        if head is None:
            head = said
            continue
        step = said["TUITRAIN_STEP"]
        if said["TUITRAIN_EVENT"] in head["on"]:
            has_failed = _run(head, said, is_told=has_failed) or has_failed
        if said["TUITRAIN_EVENT"] == "end":
            return
    if head is not None and "end" in head["on"]:
        words = "its trainer is gone without a last word"
        lost = {"TUITRAIN_EVENT": "end", "TUITRAIN_STATE": "lost", "TUITRAIN_MESSAGE": words, "TUITRAIN_STEP": step}
        _run(head, lost, is_told=has_failed)


def _run(head: dict[str, Any], said: dict[str, str], *, is_told: bool) -> bool:
    """Run the command; whether it failed, which is told only once."""
    problem = ""
    try:
        process = subprocess.Popen(
            head["command"],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, "TUITRAIN_RUN": head["run"], **said},
        )
        try:
            code = process.wait(head["timeout_seconds"])
            problem = f"its exit code is {code}" if code else ""
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            problem = f"it took longer than {head['timeout_seconds']:g} s and was killed"
    except (OSError, ValueError) as error:
        problem = f"{type(error).__name__}: {error}"
    if problem and not is_told:
        at = said["TUITRAIN_EVENT"]
        sys.stderr.write(f"notify.command ({head['command'][0]}) failed at {at}: {problem}. Said once.\n")
        sys.stderr.flush()
    return bool(problem)


if __name__ == "__main__":
    main(iter(sys.stdin.buffer.readline, b""))
