"""The plain screen: progress on stderr, the result on stdout. For scripts, logs and dumb terminals."""

from __future__ import annotations

import json
import math
import sys
import time
from typing import TextIO

from tuitrain.board.training_time import TrainingTime
from tuitrain.protocol.carrier import CarrierStatus, CommandSeen, DamageSeen
from tuitrain.protocol.events import (
    AlarmRaised,
    CadenceChanged,
    CommandApplied,
    CommandRefused,
    EvalFinished,
    HandoverCancelled,
    Heartbeat,
    OptimizerSwitched,
    Paused,
    RacerLost,
    RaceStarted,
    Resumed,
    RolledBack,
    RunEnded,
    RunResumed,
    RunStarted,
    SnapshotTaken,
    StageEntered,
    StepsFinished,
    UpdateMeasured,
    WeightsLoaded,
)
from tuitrain.protocol.measured import SharpnessMeasured
from tuitrain.protocol.measured_words import advice, headline
from tuitrain.protocol.printable import printable_lines
from tuitrain.protocol.version import other_version
from tuitrain.session.reading import Word

_LINE_SECONDS = 5.0
_BAR_SECONDS = 0.1
_BAR_WIDTH = 24


class Printer:
    """Prints a run as it goes; with a bar where stderr is a terminal.

    Args:
        run: its id.
        stream: where progress goes.
    """

    def __init__(self, run: str, stream: TextIO = sys.stderr) -> None:
        self.run = run
        self.ended: RunEnded | None = None
        self.status: CarrierStatus | None = None
        self.step = 0
        self.seconds = 0.0
        self.last: dict[str, float] = {}
        self.best: dict[str, float] = {}
        self.num_evaluated: tuple[int, int] | None = None
        self.data = ""
        self._stream = stream
        self._has_bar = stream.isatty()
        self._total = 0
        self._rate = 0.0
        self._loss: float | None = None
        self._trained = TrainingTime()
        self._next_line = 0.0

    def take(self, words: list[Word]) -> None:
        """Take in what was read, and print what a person should see of it."""
        for word in words:
            self._take(word)
        interval = _BAR_SECONDS if self._has_bar else _LINE_SECONDS
        now = time.monotonic()
        if self._total and self.ended is None and now >= self._next_line:
            self._next_line = now + interval
            self._progress()

    def summary(self) -> dict[str, object]:
        """What `--json` prints: the run and its numbers, non-finite ones as null."""
        reason = self.ended.reason if self.ended is not None else "lost"
        names = sorted({*self.last, *self.best})
        return {
            "run": self.run,
            "state": {"aborted": "stopped"}.get(reason, reason),
            "reason": self.ended.message or reason if self.ended is not None else "the trainer is gone",
            "steps": self.step,
            "seconds": round(self.seconds, 3),
            "num_evaluated": dict(zip(("train", "validation"), self.num_evaluated or (None, None), strict=True)),
            "steps_per_second": round(self._trained.steps_per_second, 3),
            "data": self.data,
            "metrics": {name: {"last": _plain(self.last, name), "best": _plain(self.best, name)} for name in names},
        }

    def finish(self, *, as_json: bool) -> None:
        """Print the final summary."""
        self._clear_bar()
        if as_json:
            sys.stdout.write(json.dumps(self.summary()) + "\n")
            return
        summary = self.summary()
        rate = f" ({_speed(self._trained.steps_per_second)})" if self._trained.num_steps else ""
        sys.stdout.write(f"{self.run}: {summary['state']} at step {self.step} after {self.seconds:.1f} s{rate}")
        sys.stdout.write(f"{_judged(self.num_evaluated)}\n")
        for name in sorted(self.last):
            best = f" best {self.best[name]:.4g}" if name in self.best else ""
            line = f"  {name:<17} last {self.last[name]:<10.4g}{best}"
            sys.stdout.write(f"{line.rstrip()}\n")
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """One line on stderr, above the bar."""
        self._clear_bar()
        self._stream.write(f"{printable_lines(text)}\n")
        self._stream.flush()

    def _take(self, word: Word) -> None:
        before = self.num_evaluated
        self._note_numbers(word)
        line = _line_for(word)
        if self.num_evaluated != before:
            line += _judged(self.num_evaluated)
        if line:
            self.say(line)

    def _note_numbers(self, word: Word) -> None:
        if isinstance(word, RunStarted):
            self._total, self.step, self.ended = word.total_steps, word.step, None
            self.data = word.data
        elif isinstance(word, RolledBack):
            self._total, self.step = word.total_steps, word.step
        elif isinstance(word, StepsFinished):
            self.step = max(self.step, word.step)
            losses = [column for column in word.columns if column.metric == "batch/loss"]
            self._loss = losses[-1].values[-1] if losses else self._loss
        elif isinstance(word, EvalFinished):
            self.last, self.num_evaluated = {**self.last, **word.metrics}, word.sizes
        elif isinstance(word, Heartbeat):
            self._rate, self.best = word.steps_per_second, dict(word.best)
        elif isinstance(word, RunEnded):
            self.ended, self.step = word, word.step
            self.last, self.best = {**self.last, **word.last}, dict(word.best)
        if isinstance(word, CarrierStatus):
            self.status = word
        elif not isinstance(word, DamageSeen) and hasattr(word, "seconds"):
            self.seconds = max(self.seconds, word.seconds)
            if not isinstance(word, CommandSeen):
                self._trained.take(word)

    def _progress(self) -> None:
        share = self.step / self._total
        loss = "–" if self._loss is None else f"{self._loss:.4g}"
        numbers = f"step {self.step}/{self._total}  loss {loss}"
        if "eval/loss" in self.last:
            numbers += f"  eval/loss {self.last['eval/loss']:.4g}"
        numbers += f"  {_speed(self._rate)}" if self._rate > 0.0 else ""
        if not self._has_bar:
            self._stream.write(f"{numbers}\n")
        else:
            filled = int(share * _BAR_WIDTH)
            self._stream.write(f"\r\x1b[K{'━' * filled}{'─' * (_BAR_WIDTH - filled)} {numbers}")
        self._stream.flush()

    def _clear_bar(self) -> None:
        if self._has_bar:
            self._stream.write("\r\x1b[K")


def _line_for(word: Word) -> str:
    """What is worth a line of its own."""
    match word:
        case StageEntered():
            return f"starting: {word.stage}"
        case RunStarted():
            size = f"{word.num_parameters} parameters, {word.num_train} training samples"
            newer = other_version(word.protocol_version)
            started = f"started on {word.device}: {word.total_steps} steps, {size}, seed {word.seed}"
            return "\n".join(filter(None, [f"{started}{newer and '; '}{newer}", word.data]))
        case RunResumed():
            lost = f"; {word.lost_steps} steps are taken again" if word.lost_steps else ""
            return f"goes on from step {word.step} ({word.checkpoint}){lost}"
        case RolledBack():
            what = f"undone: {word.undone}" if word.undone else "rolled back"
            return f"{what}: step {word.from_step} → {word.step}"
        case WeightsLoaded():
            left = f"; not taken: {', '.join(word.left)}" if word.left else ""
            return f"weights of {word.source} ({word.checkpoint}): {len(word.taken)} tensors taken{left}"
        case EvalFinished():
            numbers = "  ".join(f"{name} {value:.4g}" for name, value in word.metrics.items())
            return f"step {word.step}: {numbers}"
        case SnapshotTaken():
            return f"step {word.step}: snapshot taken, {word.num_kept} in the ensemble"
        case RaceStarted():
            place = ", ".join(f"{value:g}" for value in word.start)
            return f"step {word.step}: race on {word.surface} from ({place}): " + ", ".join(
                racer.label for racer in word.racers
            )
        case RacerLost():
            return f"step {word.step}: {word.label} has diverged"
        case OptimizerSwitched():
            return f"step {word.step}: {word.from_name} → {word.to_name}"
        case UpdateMeasured():
            return f"step {word.step}: first update ×{word.ratio:.2f}"
        case HandoverCancelled():
            return f"step {word.step}: hand-over to {word.to_name} dropped: {word.reason}"
        case SharpnessMeasured(cause=""):
            return f"step {word.step}: {headline(word)}; {advice(word)}"
        case CommandApplied():
            return f"step {word.step}: applied: {word.summary}"
        case CommandRefused():
            return f"step {word.step}: refused: {word.reason}"
        case AlarmRaised():
            return f"step {word.step}: ALARM: {word.message}. {word.advice}".rstrip(". ") + "."
        case Paused():
            return f"step {word.step}: paused: {word.reason}"
        case Resumed():
            return f"step {word.step}: resumed"
        case CadenceChanged():
            return f"step {word.step}: {word.metric} at every {word.stride} steps: {word.reason}"
        case RunEnded():
            text = word.traceback or word.message
            return f"{word.reason} at step {word.step}{': ' if text else ''}{text}"
        case DamageSeen():
            place = f"line {word.line_number} of the recording cannot be read: " if word.line_number else ""
            return f"{place}{word.detail}"
        case CarrierStatus() if word.status in {"lost", "moved", "silent"}:
            return f"{word.status}: {word.detail}"
        case _:
            return ""


def _judged(sizes: tuple[int, int] | None) -> str:
    """Over how many samples the numbers of an evaluation are means."""
    return "" if sizes is None else f"; train of {sizes[0]}, validation of {sizes[1]}"


def _speed(steps_per_second: float) -> str:
    """With a digit after the point where there are few: half a step a second is not none."""
    return f"{steps_per_second:.{0 if steps_per_second >= 10.0 else 2}f} steps/s"


def _plain(values: dict[str, float], name: str) -> float | None:
    value = values.get(name, math.nan)
    return value if math.isfinite(value) else None
