"""What a trainer says: facts are stamped here and wait, in order, for the pump."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from tuitrain.protocol.description import MetricInfo
from tuitrain.protocol.events import EvalFinished, Event, RunState
from tuitrain.techniques.averages import PREDICTIONS
from tuitrain.training.automatic import WATCHED
from tuitrain.training.recorder import Recorder

LOSS = "batch/loss"
GRADIENT_NORM = "batch/gradient_norm"
LEARNING_RATE = "batch/learning_rate"

_BESIDE: tuple[tuple[str, Literal["lower", "higher"]], ...] = (
    ("loss", "lower"), ("accuracy", "higher"), ("mse", "lower"),
)  # fmt: skip

METRICS: tuple[MetricInfo, ...] = (
    MetricInfo(name=LOSS, better="lower", description="loss of the batch, as it is minimised"),
    MetricInfo(name=GRADIENT_NORM, description="global gradient norm before clipping"),
    MetricInfo(name=LEARNING_RATE, description="learning rate of the first parameter group"),
    MetricInfo(name="train/loss", better="lower", description="loss in eval mode on a fixed part of the training data"),
    MetricInfo(name="train/accuracy", better="higher", description="accuracy on the same part"),
    MetricInfo(name="eval/loss", better="lower", description="loss in eval mode on the validation data"),
    MetricInfo(name="eval/accuracy", better="higher", description="accuracy on the validation data"),
    MetricInfo(name="train/mse", better="lower", description="mean squared error on that part of the training data"),
    MetricInfo(name="eval/mse", better="lower", description="mean squared error on the validation data"),
    *(
        MetricInfo(name=f"{name}/{metric}", better=better, description=f"{metric} on the validation data {whose}")
        for name, whose in PREDICTIONS.items()
        for metric, better in _BESIDE
    ),
    MetricInfo(name="weights/norm", description="L2 norm of all weights, biases and norms left out"),
    MetricInfo(name="weights/near_zero", description="share of them that is smaller than 0.001"),
    MetricInfo(
        name="sharpness", description="largest curvature of the training loss, at the end where it is asked for"
    ),
)
_UNJUDGED = frozenset(metric.name for metric in METRICS if metric.better == "neither")
_HIGHER = frozenset(metric.name for metric in METRICS if metric.better == "higher")


@dataclass
class Progress:
    """Where the run stands, for heartbeats and the last word. Written by the training thread."""

    step: int = 0
    state: RunState = "starting"
    last: dict[str, float] = field(default_factory=dict)
    best: dict[str, float] = field(default_factory=dict)
    best_step: int | None = None
    """Of the best validation loss."""
    watching_share: float = 0.0
    """What the probes cost of a step; the pump adds its own share."""
    is_paced: bool = False
    num_batches_evaluated: int = 0
    """A sign of life during a long evaluation."""

    def note_batch(self) -> None:
        """A batch of an evaluation is done."""
        self.num_batches_evaluated += 1

    def note_metrics(self, step: int, metrics: dict[str, float]) -> None:
        """Take in an evaluation. A non-finite value is never the best."""
        self.last = {**self.last, **metrics}
        best = dict(self.best)
        for name, value in metrics.items():
            if name in _UNJUDGED:
                continue
            before = best.get(name)
            is_finite = value - value == 0.0
            if is_finite and (before is None or (value > before if name in _HIGHER else value < before)):
                best[name] = value
                if name == WATCHED:
                    self.best_step = step
        self.best = best


class Run:
    """The producer's end of the stream: facts and measurements go in, the pump takes them out in order.

    Args:
        clock: seconds since 1970.
        timer: seconds by a clock that never jumps.
        sequence: place in the stream of the last event before, where a run goes on.
        seconds: that it had lasted by then.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
        *,
        sequence: int = 0,
        seconds: float = 0.0,
    ) -> None:
        self.recorder = Recorder()
        self.progress = Progress()
        self.watch: Callable[[float], list[Event]] = lambda _: []
        """Called by the pump about once a second with seconds by a steady clock; gives what it has to say."""
        self._facts: deque[Event] = deque()
        self._clock = clock
        self._timer = timer
        self._began = timer() - seconds
        self._sequence = sequence
        self._lock = threading.Lock()

    @property
    def seconds(self) -> float:
        """Seconds since the session began."""
        return self._timer() - self._began

    @property
    def sequence(self) -> int:
        """Place in the stream of the newest event that was taken out."""
        return self._sequence

    def publish(self, fact: Event) -> None:
        """Say a fact. Returns at once; the pump writes it."""
        if isinstance(fact, EvalFinished):
            self.progress.note_metrics(fact.step, fact.metrics)
        self._facts.append(msgspec.structs.replace(fact, time=self._clock(), seconds=self.seconds))

    def take_facts(self) -> list[Event]:
        """All facts published since the last call, in order."""
        facts: list[Event] = []
        while self._facts:
            facts.append(self._facts.popleft())
        return facts

    def numbered(self, fact: Event) -> Event:
        """The fact with its place in the stream; one that was not published gets its stamps too."""
        with self._lock:
            self._sequence += 1
            number = self._sequence
        if fact.time == 0.0:
            fact = msgspec.structs.replace(fact, time=self._clock(), seconds=self.seconds)
        return msgspec.structs.replace(fact, seq=number)
