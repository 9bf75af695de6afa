"""Home: the runs, live ones first, and the presets with what to look for. Enter attaches or starts."""

from __future__ import annotations

import time
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from tuitrain.preset import Preset
from tuitrain.preset.chapters import CHAPTERS, by_chapter
from tuitrain.rundir.catalogue import list_runs
from tuitrain.rundir.summary import RunSummary
from tuitrain.ui import text
from tuitrain.ui.widgets.header import STATE_STYLES, short_name

_REFRESH_SECONDS = 2.0


class HomeScreen(Screen[None]):
    """Shows what can be started and what was.

    Args:
        presets: all shipped ones.
    """

    CSS_PATH = "home.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,escape", "close", "quit"),
        Binding("slash", "search", "search"),
        Binding("right", "app.focus_next", show=False),
        Binding("left", "app.focus_previous", show=False),
    ]

    class RunChosen(Message):
        """A person wants to see a run."""

        def __init__(self, run: RunSummary) -> None:
            super().__init__()
            self.run = run

    class PresetChosen(Message):
        """A person wants to start a preset."""

        def __init__(self, preset: Preset) -> None:
            super().__init__()
            self.preset = preset

    def __init__(self, presets: list[Preset]) -> None:
        super().__init__()
        self._presets = {preset.name: preset for preset in presets}
        self._runs: dict[str, RunSummary] = {}
        self._shown: list[tuple[str, str]] | None = None

    def compose(self) -> ComposeResult:
        """Two lists above a detail."""
        yield Static(Content.assemble(("tuitrain", "bold"), "   presets to run, runs to watch"), id="title")
        with Horizontal(id="lists"):
            yield OptionList(*_preset_options(list(self._presets.values())), id="presets")
            yield OptionList(id="runs")
        yield Input(id="search", placeholder="part of a name, a title or a chapter", compact=True)
        yield Static(id="detail")
        yield Static(id="keys")

    def on_mount(self) -> None:
        """Fill the lists."""
        self.query_one("#presets").border_title = "presets"
        self.query_one("#runs").border_title = "runs"
        self.query_one("#keys", Static).update(
            Content.assemble(
                ("enter", "bold"),
                " start or attach  ",
                ("tab ←→", "bold"),
                " list  ",
                ("/", "bold"),
                " search  ",
                ("q", "bold"),
                " quit",
            )
        )
        self.query_one("#presets").focus()
        self._refresh_runs()
        self.set_interval(_REFRESH_SECONDS, self._refresh_runs)

    def on_resize(self, event: events.Resize) -> None:
        """One list above the other where there is no room beside it."""
        self.set_class(event.size.width < 112, "-small")
        self.set_class(event.size.height < 24, "-low")

    def action_search(self) -> None:
        """Narrow the presets to those that hold what is typed."""
        search = self.query_one("#search", Input)
        search.display = True
        self.set_focus(search)

    def action_close(self) -> None:
        """Show all presets again; where they are shown already, quit."""
        search = self.query_one("#search", Input)
        if not search.display:
            self.app.exit()
            return
        search.display, search.value = False, ""
        self.set_focus(self.query_one("#presets"))

    @on(Input.Changed, "#search")
    def _narrow(self, event: Input.Changed) -> None:
        words = event.value.lower().split()
        found = [preset for preset in self._presets.values() if all(word in _searched(preset) for word in words)]
        presets = self.query_one("#presets", OptionList)
        presets.clear_options()
        presets.add_options(_preset_options(found))
        first = next((index for index, option in enumerate(presets.options) if not option.disabled), None)
        presets.highlighted = first
        if first is not None:
            self._describe("presets", presets.get_option_at_index(first).id)

    @on(Input.Submitted, "#search")
    def _choose_found(self) -> None:
        self.set_focus(self.query_one("#presets"))

    @work(thread=True, exclusive=True)
    def _refresh_runs(self) -> None:
        found = list_runs()
        self.app.call_from_thread(self._show_runs, found)

    def _show_runs(self, found: list[RunSummary]) -> None:
        found = sorted(found, key=lambda run: not run.is_live)  # stable: newest first within each half
        self._runs = {run.id: run for run in found}
        rows = [(run.id, _run_line(run)) for run in found[:500]]
        if [(identity, str(line)) for identity, line in rows] == self._shown:
            return
        self._shown = [(identity, str(line)) for identity, line in rows]
        runs = self.query_one("#runs", OptionList)
        kept = runs.get_option_at_index(runs.highlighted).id if runs.highlighted is not None else None
        runs.clear_options()
        runs.add_options([Option(line, id=identity) for identity, line in rows])
        if kept in self._runs:
            runs.highlighted = runs.get_option_index(str(kept))
        if not rows:
            runs.add_option(
                Option(Content.styled("No runs yet: enter on a preset starts one.", "$foreground 55%"), disabled=True)
            )

    @on(OptionList.OptionHighlighted)
    def _show_detail(self, event: OptionList.OptionHighlighted) -> None:
        if not event.option_list.has_focus:
            return
        self._describe(event.option_list.id, event.option_id)

    @on(events.DescendantFocus)
    def _show_focused(self) -> None:
        focused = self.focused
        if isinstance(focused, OptionList) and focused.highlighted is not None:
            self._describe(focused.id, focused.get_option_at_index(focused.highlighted).id)

    def _describe(self, list_id: str | None, option_id: str | None) -> None:
        detail = self.query_one("#detail", Static)
        if list_id == "presets" and option_id in self._presets:
            preset = self._presets[str(option_id)]
            detail.border_title = preset.name
            detail.update(
                Content("\n").join(
                    [
                        Content(preset.about),
                        Content.assemble(("Look for: ", "bold $warning"), preset.look_for),
                        Content.assemble(("Press: ", "bold $warning"), preset.press),
                    ]
                )
            )
        elif list_id == "runs" and option_id in self._runs:
            run = self._runs[str(option_id)]
            detail.border_title = run.id
            detail.update(Content("\n").join(_run_lines(run)))

    @on(OptionList.OptionSelected, "#presets")
    def _choose_preset(self, event: OptionList.OptionSelected) -> None:
        if event.option_id in self._presets:
            self.post_message(self.PresetChosen(self._presets[event.option_id]))

    @on(OptionList.OptionSelected, "#runs")
    def _choose_run(self, event: OptionList.OptionSelected) -> None:
        if event.option_id in self._runs:
            self.post_message(self.RunChosen(self._runs[event.option_id]))


def _preset_options(presets: list[Preset]) -> list[Option]:
    """The presets by chapter, in the order of the lecture, each under its heading."""
    options: list[Option] = []
    for chapter, members in by_chapter(presets).items():
        about = CHAPTERS.get(chapter, "")
        heading = Content.assemble((chapter or "Others", "bold $accent"), (f"   {about}", "$foreground 55%"))
        options.append(Option(heading, disabled=True))
        options += [_preset_option(preset) for preset in members]
    return options


def _searched(preset: Preset) -> str:
    return f"{preset.name} {preset.title} {preset.chapter}".lower()


def _preset_option(preset: Preset) -> Option:
    return Option(Content.assemble((f"  {preset.name:<24}", "bold"), (preset.title, "$foreground 75%")), id=preset.name)


def _run_line(run: RunSummary) -> Content:
    style = STATE_STYLES[run.state]
    done = f"{100 * run.step // run.total_steps} %" if run.total_steps else ""
    best = next((f"{run.best[name]:.3g}" for name in ("eval/accuracy", "eval/loss") if name in run.best), "")
    age = text.age(time.time() - run.created)
    return Content.assemble(
        ("● ", style),
        (f"{short_name(run.id):<20} ", "bold" if run.is_live else ""),
        (f"{run.state:<9}", style),
        f"{done:>5} {best:>8}",
        (f"{age:>7}", "$foreground 55%"),
    )


def _run_lines(run: RunSummary) -> list[Content]:
    best = "   ".join(f"{name} {value:.4g}" for name, value in sorted(run.best.items()))
    lines = [
        Content.assemble((run.title, "bold"), f"   {run.state} at step {text.count(run.step)}"),
        Content(f"best   {best}" if best else "not evaluated yet"),
        Content.styled(f"{run.path}   {run.host}   pid {run.pid}", "$foreground 55%"),
    ]
    return [*lines, Content.styled(run.problem, "$error")] if run.problem else lines
