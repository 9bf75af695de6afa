"""The best trial of a search as a preset of its own: it extends nothing, and says where it is from."""

from __future__ import annotations

from pathlib import Path

from tuitrain.board.comparison import Comparison
from tuitrain.board.trials import Trial, trials_of
from tuitrain.comparing.folder import ComparisonFolder
from tuitrain.comparing.space import preset_at, written
from tuitrain.errors import UsageError
from tuitrain.session.exporting import preset_as_text, write_text


def best_preset_text(comparison: Comparison) -> str:
    """The preset of the best trial so far, at full length even where only coarse ones are done.

    Raises:
        UsageError: no trial is finished.
    """
    plan, found = comparison.plan, trials_of(comparison)
    best, search = found.best, found.plan
    if best is None:
        raise UsageError(f"{plan.name}: no trial has finished with a number yet.", hint="later, or a wider space.")
    data = preset_at(search.preset, best.parameters).to_data()
    words = best_words(best)
    data["title"] = f"{data['title']}: the best of {len(found.trials)} trials"
    data["about"] = (
        f"Found by tuitrain search ({search.method}, {plan.name}), trial {best.number}: {words}, "
        f"{plan.metric} {best.value:.4g}. {data.get('about', '')}"
    ).strip()
    head = f"# The best of search {plan.name}: trial {best.number} of {len(found.trials)}, {plan.metric} {best.value:.6g}.\n"
    return head + preset_as_text(data)


def export_best(comparison: Comparison, path: Path, *, force: bool) -> None:
    """Write the preset of the best trial.

    Raises:
        UsageError: no trial is finished, or the file is there and may not be replaced.
        RunFolderError: it cannot be written.
    """
    write_text(path, best_preset_text(comparison), force=force)


def best_path(folder: ComparisonFolder) -> Path:
    """Where the best of a search is written when it is done."""
    return folder.path / "best.toml"


def best_words(trial: Trial) -> str:
    """Its parameters in a line: "optimizer.lr=0.003, task.activation="tanh""."""
    return ", ".join(f"{key}={written(value)}" for key, value in trial.parameters.items())
