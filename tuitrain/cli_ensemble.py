"""The command that asks several finished runs together."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from tuitrain.echo import echo
from tuitrain.errors import UsageError

if TYPE_CHECKING:
    from tuitrain.comparing.ensembling import EnsembleScore, Gain, Score

_HEADLINE = {
    "better": "better than the best single one",
    "worse": "worse than the best single one",
    "cannot tell": "no different from the best single one, as far as these samples can tell",
}


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(ensemble)


def ensemble(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN", help="Ids, names, parts of ids, a comparison or COMPARISON/ARM. One: snapshots."),
    ],
    at: Annotated[str, typer.Option("--at", metavar="last|best", help="Which state of each run.")] = "last",
    weights: Annotated[
        str, typer.Option("--weights", metavar="raw|ema|swa", help="Those that were trained, or an average of them.")
    ] = "raw",
    snapshots: Annotated[
        bool, typer.Option("--snapshots", help="Of each run all that it kept at the ends of its cycles.")
    ] = False,
    last: Annotated[int, typer.Option("--last", min=0, help="Of the snapshots only the newest; 0 is all.")] = 0,
    whole: Annotated[
        bool, typer.Option("--whole", help="On all validation samples, also where the runs judge themselves by fewer.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """Average the predictions of several runs, and say what that gains against the best single one.

    The runs need one task and one split: the same data and outputs, task.data_seed, task.folds and task.fold. Models,
    optimizers, seeds and bootstrap samples may differ. Runs of different splits are refused, as one was trained on the
    samples that judge the other.

    Classes: the mean of the probabilities; numbers: the mean of the outputs. The numbers of single runs are those of
    their own last evaluation. The interval is a paired bootstrap over the validation samples, 95 %: it says how sure
    the difference is on other samples, not on other seeds. --at best and the best single run are chosen on those very
    samples, which flatters them.

    Members: tuitrain compare mnist-mlp --seeds 5 --name five, then tuitrain ensemble five; for bagging the preset
    bootstrap; for snapshots sgdr-snapshots. Nothing is written.
    """
    from tuitrain.comparing.ensembling import ask_together
    from tuitrain.comparing.members import At, Weights
    from tuitrain.comparing.runs_of import with_runs_of_comparisons

    if at not in get_args(At):
        raise UsageError(f"--at {at} is not known.", hint="last or best.")
    if weights not in {"raw", "ema", "swa"}:
        raise UsageError(f"--weights {weights} is not known.", hint="raw, ema or swa.")
    if snapshots and weights != "raw":
        raise UsageError("--snapshots are weights as they were trained.", hint="it without --weights.")
    which = cast("Weights", "snapshots" if snapshots else weights)
    named = with_runs_of_comparisons(runs)
    if len(runs) == len(named.names) == len(named.labels) == 1 and not snapshots:
        raise UsageError(
            f"{runs[0]} has one run that can be asked, and one run is no ensemble.",
            hint="all of the comparison, more runs beside it, or --snapshots.",
        )
    found = ask_together(
        named.names, at=cast("At", at), which=which, last=last, is_whole=whole, labels=named.labels, say=_say
    )
    for note in (*named.notes, *found.notes):
        _say(f"note: {note}")
    if as_json:
        echo(json.dumps(_plain(asdict(found))))
        return
    for line in table(found):
        echo(line)


def table(found: EnsembleScore) -> list[str]:
    """The members, what they come to, and what that is worth."""
    metrics = list(found.ensemble.metrics)
    width = max(len(item.label) for item in (*found.members, found.ensemble)) + 2
    width = max(width, len("best by accuracy") + 2)
    lines = [f"{'RUN':<{width}}{'STEP':>8}" + "".join(f"{metric.upper():>11}" for metric in metrics)]
    lines += [_row(item.label, item, metrics, width) for item in found.members]
    lines.append(_row(found.mean.label, found.mean, metrics, width))
    bests = {best.metric: next(item for item in found.members if item.label == best.against)
             for best in found.against_best}  # fmt: skip
    is_one = len({item.label for item in bests.values()}) == 1
    names = dict.fromkeys(bests, "best single") if is_one else {metric: f"best by {metric}" for metric in bests}
    lines += [_row(name, bests[metric], metrics, width) for metric, name in names.items()][: 1 if is_one else None]
    lines.append(_row(found.ensemble.label, found.ensemble, metrics, width))
    for best, mean in zip(found.against_best, found.against_mean, strict=True):
        lines += [_gain(best.metric, f"the {names[best.metric]}", best), _gain("", "the mean", mean)]
    if found.is_classified:
        lines.append(f"two members give different classes to {found.disagreement:.1%} of the samples")
    else:
        lines.append(f"members deviate from their mean by a mean square of {found.disagreement:.4g}")
    lines.append(f"on {found.num_samples} samples the ensemble is")
    return [*lines, *(f"  by {best.metric} {_HEADLINE[best.verdict]}" for best in found.against_best)]


def _row(label: str, item: Score, metrics: list[str], width: int) -> str:
    step = f"{item.step}" if item.run else ""
    return f"{label:<{width}}{step:>8}" + "".join(f"{item.metrics[metric]:>11.4f}" for metric in metrics)


def _gain(name: str, against: str, item: Gain) -> str:
    interval = f"95 % {item.low:+.4f} to {item.high:+.4f}"
    return f"{name:<10}{item.difference:+.4f} against {against:<21}{interval}  {item.verdict}"


def _plain(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _say(text: str) -> None:
    echo(text, err=True)
