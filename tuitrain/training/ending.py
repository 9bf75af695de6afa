"""How a run ends: the last evaluation, the last checkpoint, the last word."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from tuitrain.errors import RunFolderError
from tuitrain.protocol.events import AlarmRaised, RunEnded, RunState
from tuitrain.training.automatic import EARLY
from tuitrain.training.checkpoint import save_checkpoint
from tuitrain.training.measuring.answering import tell_sharpness
from tuitrain.training.state import captured

if TYPE_CHECKING:
    from tuitrain.training.trainer import Trainer

Reason = Literal["finished", "stopped", "aborted", "failed"]
_STATES: dict[Reason, RunState] = {
    "finished": "finished",
    "stopped": "stopped",
    "aborted": "stopped",
    "failed": "failed",
}


def end_run(trainer: Trainer) -> RunEnded:
    """Evaluate, save and refuse what still waits; an aborted run does only the last. The word is not yet published."""
    trainer.staging.flush()
    reason: Reason = "finished"
    if trainer.control.stopping:
        reason = "failed" if trainer.control.has_failed else "stopped"
        reason = "aborted" if trainer.control.stopping == "abort" else reason
    message = trainer.control.stopped_because if reason in {"stopped", "failed"} else ""
    if message.startswith(EARLY) and trainer.automatic.restores_best:
        message += f"; the weights are those of step {trainer.step}"
    if reason != "aborted":
        if not trainer.evaluator.is_fresh(trainer.step):
            trainer.evaluate()
        if reason == "finished":
            trainer.automatic.note_batch_learned(trainer.run.progress.last)
            message = trainer.automatic.words_on_one_batch
        if trainer.evaluator.measures_sharpness and reason != "failed":
            message = "; ".join(part for part in (message, tell_sharpness(trainer)) if part)
        trainer.saver.save_best(trainer)  # first: whoever goes on finds the end as the newest state
        unsaved = _save(trainer)
        if unsaved and reason != "failed":
            reason, message = "failed", f"trained to step {trainer.step}, but it could not be saved: {unsaved}"
    # After it was saved: a run that is resumed goes on with the hand-over.
    trainer.updater.cancel(trainer.step, "the run stops" if trainer.control.stopping else "the run ends")
    trainer.control.refuse_the_rest(trainer.step, "the run has ended")
    progress = trainer.run.progress
    progress.state = _STATES[reason]
    return RunEnded(
        step=trainer.step, reason=reason, message=message, best=progress.best, best_step=progress.best_step,
        last=progress.last,
    )  # fmt: skip


def _save(trainer: Trainer) -> str:
    """Save weights, optimizer and plan; returns what the disk said if it could not."""
    if trainer.saver.folder is None:
        return ""
    trainer.saver.wait()
    try:
        saved = save_checkpoint(trainer.saver.folder, captured(trainer))
    except RunFolderError as error:
        what, advice = error.message.rstrip("."), error.hint
        trainer.run.publish(
            AlarmRaised(step=trainer.step, kind="disk", message=what, value=math.nan, advice=advice)
        )  # fmt: skip
        return str(error)
    trainer.run.publish(saved)
    return ""
