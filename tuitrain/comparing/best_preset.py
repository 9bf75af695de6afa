"""The best trial of a search as a preset of its own: it extends nothing, and says where it is from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tuitrain.board.comparison import Comparison
from tuitrain.board.trials import trials_of
from tuitrain.comparing.folder import ComparisonFolder
from tuitrain.comparing.space import preset_at, written
from tuitrain.errors import UsageError
from tuitrain.protocol.comparing import ComparisonPlan
from tuitrain.protocol.plan import Value
from tuitrain.session.exporting import preset_as_text, write_text


def best_preset_text(comparison: Comparison) -> str:
    """The preset of the best trial so far, at full length even where only coarse ones are done.

    Raises:
        UsageError: no trial is finished.
    """
    best = trials_of(comparison).best
    if best is None or best.value is None:
        raise UsageError(
            f"{comparison.plan.name}: no trial has finished with a number yet.", hint="later, or a wider space."
        )
    return trial_preset_text(comparison.plan, best.number, best.value, best.parameters)


def trial_preset_text(plan: ComparisonPlan, number: int, value: float, parameters: Mapping[str, Value]) -> str:
    """A trial of a search as a preset file.

    Args:
        plan: of the search.
        number: of the trial.
        value: that it came to.
        parameters: key → value.
    """
    search = plan.search
    assert search is not None
    data = preset_at(search.preset, parameters).to_data()
    words = parameter_words(parameters)
    data["title"] = f"{data['title']}: the best of a search"
    data["about"] = (
        f"Found by tuitrain search ({search.method}, {plan.name}), trial {number}: {words}; "
        f"{plan.metric} {value:.4g}. All else is that of {search.preset.get('title') or 'its preset'}."
    )
    data["look_for"] = data["press"] = ""  # they are about the preset that was varied
    return f"# Trial {number} of the search {plan.name}, {plan.metric} {value:.6g}.\n{preset_as_text(data)}"


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


def parameter_words(parameters: Mapping[str, Value]) -> str:
    """Parameters in a line: "optimizer.lr=0.003, task.activation=tanh"."""
    return ", ".join(
        f"{key}={value if isinstance(value, str) else written(value)}" for key, value in parameters.items()
    )
