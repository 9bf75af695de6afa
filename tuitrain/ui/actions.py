"""Everything a person can do, once: bindings, footer, palette, help screen and the README's table come from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding

Group = Literal["run", "learning rate", "optimizer", "charts", "screen", "replay", "home", "learn", "compare", "search"]


@dataclass(frozen=True, kw_only=True)
class Action:
    """One action."""

    id: str
    key: str
    """As Textual names it; several separated by commas."""
    shown_key: str = ""
    """As people read it, where that differs from `key`."""
    title: str
    help: str
    group: Group
    command: str = ""
    """The command it asks, by name; greyed where the run does not accept it."""
    in_footer: bool = False

    @property
    def key_text(self) -> str:
        """The key as people read it."""
        return self.shown_key or self.key.split(",")[0]


ACTIONS: tuple[Action, ...] = (
    Action(
        id="toggle_pause", key="space", title="pause", group="run", command="pause", in_footer=True,
        help="Pause after the current step, or go on. Commands work while paused.",
    ),
    Action(
        id="step_once", key="s", title="step", group="run", command="step_once", in_footer=True,
        help="Run one optimizer step, then pause.",
    ),
    Action(
        id="evaluate", key="e", title="evaluate", group="run", command="evaluate", in_footer=True,
        help="Evaluate now on both sides; the run is not changed by it.",
    ),
    Action(
        id="stop", key="x", title="stop", group="run", command="stop",
        help="Finish the step, evaluate, save and end. A second press aborts.",
    ),
    Action(
        id="length", key="n", title="length", group="run", command="set_end",
        help="Set the step at which the run ends: train longer, or stop sooner. The schedule keeps its length.",
    ),
    Action(
        id="checkpoint", key="k", title="save", group="run", command="save_checkpoint",
        help="Save the whole state now; `tuitrain ask RUN save_checkpoint tag=…` gives it a tag.",
    ),
    Action(
        id="undo", key="u", title="undo", group="run", command="undo", in_footer=True,
        help="Return to the state before the last decision; shows first which that was.",
    ),
    Action(
        id="roll_back", key="j", title="roll back", group="run", command="roll_back",
        help="Go back to an earlier step or a tag; leave out batches and scale the rate, as against a loss spike.",
    ),
    Action(
        id="branch", key="b", title="branch", group="run", in_footer=True,
        help="Start a second run from here, or from an earlier step, that does something otherwise; shows both.",
    ),
    Action(
        id="move", key="0", title="start", group="run", command="move_to",
        help="On a surface: put all racers at another start, with fresh optimizers; the plan goes on.",
    ),
    Action(
        id="slower", key="less_than_sign", shown_key="<", title="slower", group="run", command="set_pace",
        help="Halve the pace. It holds only while a screen is attached; the numbers never change.",
    ),
    Action(
        id="faster", key="greater_than_sign", shown_key=">", title="faster", group="run", command="set_pace",
        help="Double the pace; beyond the run's own speed, let it go.",
    ),
    Action(
        id="decay", key="d", title="decay", group="learning rate", command="scale_learning_rate", in_footer=True,
        help="Multiply the learning rate, by 0.1 unless you say otherwise. The new plan is drawn before you confirm.",
    ),
    Action(
        id="set_rate", key="r", title="rate", group="learning rate", command="set_learning_rate",
        help="Set the learning rate: the schedule's shape is kept, or `hold=true` ends it.",
    ),
    Action(
        id="schedule", key="l", title="schedule", group="learning rate", command="set_schedule", in_footer=True,
        help="Replace the schedule from here; its future is drawn before you confirm.",
    ),
    Action(
        id="cool_down", key="c", title="cool down", group="learning rate", command="cool_down",
        help="Save the stable point, bring the rate down to 0 from here, and end the run there.",
    ),
    Action(
        id="optimizer", key="o", title="optimizer", group="optimizer", command="switch_optimizer", in_footer=True,
        help="Switch the optimizer with a hand-over that keeps the size of the updates; shows first what it would do.",
    ),
    Action(
        id="hyperparameter", key="h", title="hyper-parameter", group="optimizer", command="set_hyperparameter",
        help="Change momentum, betas, weight decay, whatever the optimizer has.",
    ),
    Action(
        id="regularize", key="m", title="regularize", group="optimizer", command="set_hyperparameter", in_footer=True,
        help="Change dropout, label smoothing, mixup, augmentation, noise, clipping, early stopping; 0 is off.",
    ),
    Action(
        id="batch_size", key="z", title="batch size", group="optimizer", command="set_batch_size",
        help="Change the batch size; the rest of the epoch keeps its order. `rate=linear` scales the rate with it.",
    ),
    Action(
        id="freeze", key="p", title="freeze", group="optimizer", command="freeze",
        help="Freeze layers, so that they stay as they are, or unfreeze them; shows how much is left to train.",
    ),
    Action(
        id="maximise", key="enter", title="maximise", group="charts", in_footer=True,
        help="Show the focused chart alone, or all again.",
    ),
    Action(id="next_chart", key="tab,down", shown_key="tab ↓", title="next chart", group="charts",
           help="Focus the next chart; in a small terminal, show it."),
    Action(id="previous_chart", key="shift+tab,up", shown_key="shift+tab ↑", title="previous chart", group="charts",
           help="Focus the previous chart."),
    Action(id="toggle_log", key="g", title="log or linear", group="charts",
           help="Logarithmic or linear axis of the focused chart."),
    Action(id="smoother", key="plus,equals_sign", shown_key="+", title="smoother", group="charts",
           help="Smooth the focused chart more."),
    Action(id="rougher", key="minus", shown_key="-", title="rougher", group="charts",
           help="Smooth the focused chart less; at the end the raw values."),
    Action(id="window", key="f", title="follow", group="charts",
           help="Follow the last 200, 1 000, 5 000 … steps, or show the whole run."),
    Action(id="cursor_left", key="left", shown_key="←", title="cursor left", group="charts",
           help="Move the cursor that reads all values at one step; shift moves it far."),
    Action(id="cursor_right", key="right", shown_key="→", title="cursor right", group="charts",
           help="Move the cursor to the right; at the end it vanishes."),
    Action(id="cursor_far_left", key="shift+left", shown_key="shift+←", title="cursor far left", group="charts",
           help="Move the cursor by a tenth of the chart."),
    Action(id="cursor_far_right", key="shift+right", shown_key="shift+→", title="cursor far right", group="charts",
           help="Move the cursor by a tenth of the chart."),
    Action(id="x_axis", key="t", title="x axis", group="charts", help="x by step, epoch or seconds."),
    Action(id="metric", key="a", title="loss or accuracy", group="charts",
           help="The next metric on the train / validation chart: loss, accuracy, squared error."),
    Action(id="layers", key="y", title="layers", group="screen", in_footer=True,
           help="Show every layer: gradient, weights, update, activations, and one of them over time; m says which."),
    Action(id="measure", key="v", title="measure", group="screen",
           help="Range test, gradient check, sharpness, gradient noise: what was measured, and keys that measure."),
    Action(id="output", key="w", title="output", group="screen",
           help="Show what the training code printed (output.log)."),
    Action(id="side", key="i", title="side panel", group="screen", help="Show or hide the panels at the right."),
    Action(id="help", key="question_mark", shown_key="?", title="keys", group="screen", in_footer=True,
           help="Show all keys."),
    Action(id="back", key="escape", shown_key="esc", title="back", group="screen",
           help="Close what is open: dialog, cursor, maximised chart; then back to home."),
    Action(id="leave", key="q", title="leave", group="screen", in_footer=True,
           help="Leave the dashboard. The run goes on; it says how to come back."),
    Action(id="seek_back", key="comma", shown_key=",", title="back", group="replay",
           help="In a replay: back by a twentieth."),
    Action(id="seek_forward", key="full_stop", shown_key=".", title="forward", group="replay",
           help="In a replay: forward by a twentieth."),
)  # fmt: skip

BY_ID = {action.id: action for action in ACTIONS}

FOOTER: tuple[Action, ...] = tuple(
    BY_ID[name]
    for name in (
        "toggle_pause", "decay", "optimizer", "schedule", "evaluate", "undo", "branch", "step_once", "regularize",
        "layers", "maximise", "help", "leave",
    )
)  # fmt: skip
"""The keys of the live screen's last line, the most important first; the last two are always there."""

RACE_FOOTER: tuple[Action, ...] = tuple(
    BY_ID[name]
    for name in (
        "toggle_pause", "set_rate", "optimizer", "move", "slower", "faster", "undo", "hyperparameter", "step_once",
        "branch", "schedule", "help", "leave",
    )
)  # fmt: skip
"""The same on a surface."""

_SHARED = ("toggle_pause", "step_once", "evaluate", "slower", "faster", "seek_back", "seek_forward", "output")

LAYER_ACTIONS: tuple[Action, ...] = (
    *(BY_ID[shared] for shared in _SHARED),
    Action(id="next_quantity", key="m,tab", shown_key="m", title="quantity", group="screen", in_footer=True,
           help="Show the next quantity over time; shift+tab goes back."),
    Action(id="previous_quantity", key="shift+tab", title="quantity before", group="screen",
           help="Show the quantity before it over time."),
    Action(id="up", key="up,k", shown_key="↑", title="up", group="screen", help="Select the layer before."),
    Action(id="down", key="down,j", shown_key="↓", title="down", group="screen", help="Select the next layer."),
    Action(id="page_up", key="pageup", title="page up", group="screen", help="Go up by a page of layers."),
    Action(id="page_down", key="pagedown", title="page down", group="screen", help="Go down by a page of layers."),
    Action(id="first", key="home", title="first", group="screen", help="Select the layer at the input."),
    Action(id="last", key="end", title="last", group="screen", help="Select the layer at the output."),
    Action(id="close", key="escape,y", shown_key="esc", title="back", group="screen", in_footer=True,
           help="Go back to the charts."),
    BY_ID["help"],
    BY_ID["leave"],
)  # fmt: skip
"""The keys of the screen of the layers; those it shares with the live screen do there what they do here."""

MEASURE_ACTIONS: tuple[Action, ...] = (
    *(BY_ID[shared] for shared in ("toggle_pause", "evaluate", "seek_back", "seek_forward", "output")),
    Action(id="range_test", key="l", title="range test", group="screen", command="find_learning_rate", in_footer=True,
           help="Train a copy with a rate that rises, and see where its loss falls fastest; the run waits."),
    Action(id="gradient_check", key="c", title="check gradients", group="screen", command="check_gradients",
           in_footer=True, help="Compare the gradients with finite differences, in float64 and without dropout."),
    Action(id="sharpness", key="h", title="sharpness", group="screen", command="measure_sharpness", in_footer=True,
           help="Measure the largest curvature of the loss, and the rate that it allows."),
    Action(id="gradient_noise", key="n", title="noise", group="screen", command="measure_gradient_noise",
           in_footer=True, help="Measure how far gradients of batches are from that of all samples."),
    Action(id="take", key="t", title="take the rate", group="screen", command="set_learning_rate", in_footer=True,
           help="Set the learning rate that the range test suggests; the schedule keeps its shape."),
    Action(id="close", key="escape,v", shown_key="esc", title="back", group="screen", in_footer=True,
           help="Go back to the charts."),
    BY_ID["help"],
    BY_ID["leave"],
)  # fmt: skip
"""The keys of the screen of measurements; other options of them are asked by `tuitrain ask RUN …`."""

LEARN_ACTIONS: tuple[Action, ...] = (
    Action(id="run", key="enter", title="run", group="learn", in_footer=True,
           help="Run the preset with the arrow and watch it; esc comes back here. In the list: read the station."),
    Action(id="answer", key="a", title="answer", group="learn", in_footer=True,
           help="Uncover the answer, or cover it; a station counts as seen then."),
    Action(id="read_on", key="space", title="read on", group="learn", in_footer=True,
           help="A page further; at the end of a station the next one."),
    Action(id="next_station", key="n", title="next", group="learn", in_footer=True, help="Open the next station."),
    Action(id="previous_station", key="p", title="previous", group="learn", help="Open the station before."),
    Action(id="search", key="slash", shown_key="/", title="search", group="learn", in_footer=True,
           help="Show only the stations that hold what is typed: title, text, formula, preset, paper."),
    Action(id="other_side", key="tab", title="list", group="learn", in_footer=True,
           help="Go from the list to the text, or back; so do ← and →. Up and down move in either."),
    Action(id="to_page", key="right", shown_key="→", title="text", group="learn", help="Go to the text."),
    Action(id="to_list", key="left", shown_key="←", title="list", group="learn", help="Go to the list."),
    Action(id="choose", key="1,2,3,4,5,6,7,8,9", shown_key="1 … 9", title="preset", group="learn",
           help="Choose which preset of the station enter runs."),
    Action(id="leave", key="q", title="leave", group="learn", help="Leave tuitrain. Runs go on."),
    Action(id="help", key="question_mark", shown_key="?", title="keys", group="learn", in_footer=True,
           help="Show all keys."),
    Action(id="close", key="escape", shown_key="esc", title="back", group="learn", in_footer=True,
           help="Leave the search, else the walk; it goes on here the next time."),
)  # fmt: skip
"""The keys of the walk through the lecture."""


HOME_ACTIONS: tuple[Action, ...] = (
    Action(id="choose", key="enter", title="open", group="home", in_footer=True,
           help="Start the preset, or watch the run; one that was stopped or lost can go on."),
    Action(id="other_list", key="tab,right,left", shown_key="tab", title="list", group="home", in_footer=True,
           help="Go from the presets to the runs, or back."),
    Action(id="search", key="slash", shown_key="/", title="search", group="home", in_footer=True,
           help="Show only the presets whose name, title or chapter holds what is typed."),
    Action(id="learn", key="l", title="learn", group="home", in_footer=True,
           help="Walk through the lecture: what to run, what to press, what to see, and a question at each station."),
    Action(id="compare", key="c", title="comparisons", group="home", in_footer=True,
           help="Choose a comparison and watch it; `tuitrain compare` starts one."),
    Action(id="rename", key="r", title="rename", group="home", in_footer=True,
           help="Give the run a name, shown here and known to every command; its folder keeps its id."),
    Action(id="note", key="n", title="note", group="home", in_footer=True, help="Write a note on the run."),
    Action(id="tag", key="t", title="tag", group="home", in_footer=True,
           help="Write tags on the run, or take them off. What is named, noted or tagged is never pruned."),
    Action(id="delete", key="d,delete", title="delete", group="home", in_footer=True,
           help="Move the run to the trash, after asking; `tuitrain restore RUN` brings it back."),
    Action(id="help", key="question_mark", shown_key="?", title="keys", group="home", in_footer=True,
           help="Show all keys."),
    Action(id="close", key="q,escape", title="quit", group="home", in_footer=True,
           help="Leave the search, else tuitrain. Runs go on."),
)  # fmt: skip
"""The keys of home."""


def bindings(actions: tuple[Action, ...] = ACTIONS) -> list[Binding]:
    """The bindings of a screen."""
    return [
        Binding(
            action.key, f"press('{action.id}')", action.title, id=action.id, tooltip=action.help, show=action.in_footer,
            key_display=action.key_text,
        )
        for action in actions
    ]  # fmt: skip


def key_table(actions: tuple[Action, ...] = ACTIONS) -> str:
    """The keys as a Markdown table, for the README."""
    rows = ["| key | action | |", "|---|---|---|"]
    rows += [f"| `{action.key_text}` | {action.title} | {action.help} |" for action in actions]
    return "\n".join(rows)
