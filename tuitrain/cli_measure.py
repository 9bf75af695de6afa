"""Commands that measure a preset before it is run: the range test and the gradient check."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Annotated

import typer

from tuitrain.echo import echo
from tuitrain.protocol.commands import CheckGradients, FindLearningRate
from tuitrain.protocol.measured import GradientsChecked, LearningRateRangeTested
from tuitrain.protocol.measured_words import advice, headline, rounded

if TYPE_CHECKING:
    from tuitrain.protocol.measured import Measurement

_Preset = Annotated[str, typer.Argument(metavar="PRESET", help="A preset's name, or a .toml file.")]
_Overrides = Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="E.g. optimizer.name=sgd")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
_MOST_ROWS = 24
_BAR = 32


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command(name="lr-find")(find_rate)
    app.command()(check)


def find_rate(
    preset: _Preset,
    overrides: _Overrides = None,
    low: Annotated[float, typer.Option(help="The first rate.")] = 1e-7,
    high: Annotated[float, typer.Option(help="The last one, unless the loss diverges before.")] = 10.0,
    steps: Annotated[int, typer.Option(help="Batches, one rate each.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Of the batches.")] = 0,
    as_json: _Json = False,
) -> None:
    """Find a learning rate for a preset: train a fresh model with a rate that rises (range test). Starts no run."""
    command = FindLearningRate(low=low, high=high, num_steps=steps, seed=seed)
    found = _measured(preset, overrides or [], command)
    assert isinstance(found, LearningRateRangeTested)
    if as_json:
        _print_json(preset, found)
        return
    for line in curve_lines(found):
        echo(line)
    echo(f"{headline(found)}; {advice(found).partition(': set_')[0]}")
    if not math.isnan(found.suggestion):
        words = " ".join([preset, *(overrides or [])])
        echo(f"Try: tuitrain run {words} optimizer.lr={rounded(found.suggestion):g}")


def check(
    preset: _Preset,
    overrides: _Overrides = None,
    step_size: Annotated[float, typer.Option(help="h of the centred differences.")] = 1e-5,
    entries: Annotated[int, typer.Option(help="Of each tensor, drawn at random.")] = 10,
    samples: Annotated[int, typer.Option(help="Of the training data; few meet few kinks.")] = 16,
    penalties: Annotated[bool, typer.Option("--penalties", help="With L1 and label smoothing.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the entries.")] = 0,
    as_json: _Json = False,
) -> None:
    """Check a preset's gradients against finite differences. Starts no run; exit 1 where they are wrong."""
    command = CheckGradients(
        step_size=step_size, num_entries=entries, num_samples=samples, with_penalties=penalties, seed=seed
    )
    found = _measured(preset, overrides or [], command)
    assert isinstance(found, GradientsChecked)
    if as_json:
        _print_json(preset, found)
    else:
        for line in check_lines(found):
            echo(line)
        echo(f"{headline(found)}; {advice(found)}")
        for note in found.notes:
            echo(f"  {note}")
    raise typer.Exit(1 if found.verdict == "wrong" else 0)


def curve_lines(found: LearningRateRangeTested) -> list[str]:
    """The curve as a table with bars, thinned to what fits a small terminal."""
    lines = [f"{'LEARNING RATE':<14}{'LOSS':>9}{'SMOOTHED':>10}"]
    stride = max(1, math.ceil(len(found.smoothed) / _MOST_ROWS))
    shown = found.smoothed[::stride]
    highest = sorted(shown)[-1 - len(shown) // 10] if shown else 1.0
    marked = {_nearest(found.rates[::stride], rate): text for rate, text in (
        (found.learning_rate, "the preset's"), (found.edge, "edge"), (found.suggestion, "falls fastest"),
    ) if rate > 0.0}  # fmt: skip
    for index, smooth in enumerate(shown):
        rate, loss = found.rates[index * stride], found.losses[index * stride]
        bar = "━" * max(0, min(_BAR, round(_BAR * smooth / highest))) if highest > 0.0 else ""
        lines.append(f"{rate:<14.2e}{loss:>9.4g}{smooth:>10.4g}  {bar:<{_BAR}}  {marked.get(index, '')}".rstrip())
    return lines


def check_lines(found: GradientsChecked) -> list[str]:
    """A table of the tensors, in the order of the model."""
    width = max(6, *(len(tensor.name) for tensor in found.tensors)) + 2
    lines = [f"{'TENSOR':<{width}}{'ENTRIES':>7}{'ERROR':>10}{'BACKWARD':>12}{'DIFFERENCE':>12}"]
    for tensor in found.tensors:
        numbers = f"{tensor.worst_error:>10.1e}{tensor.analytic:>12.4g}{tensor.numeric:>12.4g}"
        lines.append(f"{tensor.name:<{width}}{tensor.num_entries:>7}{numbers}")
    return lines


def _measured(preset: str, overrides: list[str], command: FindLearningRate | CheckGradients) -> Measurement:
    from tuitrain.preset import load_preset
    from tuitrain.techniques.checking import check_command

    chosen = load_preset(preset, overrides)
    check_command(command)
    from tuitrain.session.measuring import measure_preset  # imports torch, which a mistake need not wait for

    return measure_preset(chosen, command)


def _print_json(preset: str, found: Measurement) -> None:
    from tuitrain.session.measuring import as_data

    data = as_data(found)
    echo(json.dumps({"preset": preset, **data, "headline": headline(found), "advice": advice(found)}))


def _nearest(rates: list[float], rate: float) -> int:
    return min(range(len(rates)), key=lambda index: abs(math.log(rates[index] / rate)), default=0)
