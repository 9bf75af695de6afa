"""Home: the runs, live ones first, and the presets with what to look for. Enter attaches or starts.

Runs are taken care of here as well (`care`). Whatever touches the disk is done by threads.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
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

from tuitrain.errors import TuitrainError
from tuitrain.learning.progress import next_station, num_seen, read_progress
from tuitrain.learning.walk import stations
from tuitrain.preset import Preset
from tuitrain.preset.chapters import CHAPTERS, by_chapter
from tuitrain.rundir.catalogue import list_runs
from tuitrain.rundir.disk import bytes_on_disk
from tuitrain.rundir.summary import RunSummary
from tuitrain.ui.actions import HOME_ACTIONS, Action, bindings
from tuitrain.ui.run_lines import run_details, run_line
from tuitrain.ui.screens.care import Deed, DeleteSheet, deleting, label_sheet, refused_because, writing
from tuitrain.ui.screens.learn import LearnScreen
from tuitrain.ui.screens.small import HelpSheet
from tuitrain.ui.widgets.footer import Footer

_REFRESH_SECONDS = 2.0
_WIDE = 112
"""Columns from which on there is room for two lists side by side, and for all keys."""
_NARROW = 80
"""Columns below which keys have shorter titles."""
_CARING = frozenset({"rename", "note", "tag", "delete"})


class HomeScreen(Screen[None]):
    """Shows what can be started and what was.

    Args:
        presets: all shipped ones.
        station: of the walk through the lecture, to open at once; empty where it was left; None stays here.
    """

    CSS_PATH = "home.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(tuple(action for action in HOME_ACTIONS if action.id not in {"choose", "other_list"})),
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

    def __init__(self, presets: list[Preset], station: str | None = None) -> None:
        super().__init__()
        self._station = station
        self._presets = {preset.name: preset for preset in presets}
        self._runs: dict[str, RunSummary] = {}
        self._shown: list[tuple[str, str]] | None = None
        self._problem = ""
        """Why runs cannot be listed, as it was said."""
        self._sizes: dict[str, int] = {}
        """Bytes on disk of the runs that were looked at."""

    def compose(self) -> ComposeResult:
        """Two lists above a detail."""
        yield Static(Content.assemble(("tuitrain", "bold"), "   presets to run, runs to watch"), id="title")
        yield Static(id="learn")
        with Horizontal(id="lists"):
            yield OptionList(*_preset_options(list(self._presets.values())), id="presets")
            yield OptionList(id="runs")
        yield Input(id="search", placeholder="part of a name, a title or a chapter", compact=True)
        yield Static(id="detail")
        yield Footer(id="keys")

    def on_mount(self) -> None:
        """Fill the lists."""
        self.query_one("#presets").border_title = "presets"
        self.query_one("#runs").border_title = "runs"
        self.query_one("#presets").focus()
        self._refresh_runs()
        self.set_interval(_REFRESH_SECONDS, self._refresh_runs)
        if self._station is not None:
            self._learn(self._station)

    def on_screen_resume(self) -> None:
        """Somebody may have gone on in the walk."""
        self._refresh_learning()

    def on_resize(self, event: events.Resize) -> None:
        """One list above the other where there is no room beside it."""
        self.set_class(event.size.width < _WIDE, "-small")
        self.set_class(event.size.height < 24, "-low")
        self._shown = None  # its lines are as wide as the list
        if self._runs:
            self.call_after_refresh(self._show_runs, list(self._runs.values()))
        self._show_keys()

    def action_press(self, action: str) -> None:
        """Every key of the table comes through here."""
        match action:
            case "search":
                self.action_search()
            case "close":
                self.action_close()
            case "learn":
                self._learn()
            case "compare":
                from tuitrain.ui.screens.comparisons import ComparisonsSheet  # home comes sooner without

                self.app.push_screen(ComparisonsSheet())
            case "help":
                self.app.push_screen(HelpSheet(self.refusal, HOME_ACTIONS))
            case _:
                self._take_care(action)

    def refusal(self, action: Action) -> str:
        """Why an action cannot be used now; empty where it can."""
        return refused_because(self._chosen_run(), action.id) if action.id in _CARING else ""

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

    def _learn(self, station: str = "") -> None:
        def start(preset: Preset) -> None:
            self.post_message(self.PresetChosen(preset))

        self.app.push_screen(LearnScreen(self._presets, start, station))

    @work(thread=True, exclusive=True, group="learn")
    def _refresh_learning(self) -> None:
        walk, (progress, _) = stations(), read_progress()
        station, seen = next_station(walk, progress), num_seen(walk, progress)
        verb = "go on at" if progress.last else "start with"
        words = Content.assemble(
            ("l", "bold"), ("  learn", "bold $accent"), f"  {verb} {station.title}",
            (f"   {seen} of {len(walk)} stations seen", "$foreground 55%"),
        )  # fmt: skip
        self.app.call_from_thread(self.query_one("#learn", Static).update, words)

    def _chosen_run(self) -> RunSummary | None:
        runs = self.query_one("#runs", OptionList)
        if self.focused is not runs or runs.highlighted is None:
            return None
        return self._runs.get(str(runs.get_option_at_index(runs.highlighted).id))

    def _take_care(self, action: str) -> None:
        run = self._chosen_run()
        refused = refused_because(run, action)
        if run is None or refused:
            self.notify(f"Not now: {refused}.", severity="warning")
        elif action == "delete":
            self._ask_delete(run)
        else:
            self._ask_label(action, run)

    def _ask_delete(self, run: RunSummary) -> None:
        def move(wants: bool | None) -> None:
            if wants:
                self._do(deleting(run))

        self.app.push_screen(DeleteSheet(run), move)

    def _ask_label(self, action: str, run: RunSummary, text: str | None = None) -> None:
        def write(typed: str | None) -> None:
            if typed is not None:
                self._do(writing(action, run, typed), lambda: self._ask_label(action, run, typed))

        self.app.push_screen(label_sheet(action, run, text), write)

    @work(thread=True, group="care")
    def _do(self, deed: Deed, again: Callable[[], None] = lambda: None) -> None:
        """Change something on the disk and say so; where that fails, say why and ask again."""
        try:
            words = deed()
        except TuitrainError as error:
            self.app.call_from_thread(self.notify, str(error), severity="error", timeout=8, markup=False)
            self.app.call_from_thread(again)
            return
        self.app.call_from_thread(self.notify, words, timeout=4, markup=False)
        self.app.call_from_thread(self._refresh_runs)

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
        try:
            found = list_runs()
        except TuitrainError as error:
            if str(error) != self._problem:  # said once: this is done again and again
                self._problem = str(error)
                self.app.call_from_thread(self.notify, self._problem, severity="error", markup=False)
            return
        self._problem = ""
        self.app.call_from_thread(self._show_runs, found)

    def _show_runs(self, found: list[RunSummary]) -> None:
        found = sorted(found, key=lambda run: not run.is_live)  # stable: newest first within each half
        before = self._chosen_run()
        self._runs = {run.id: run for run in found}
        self.set_class(not found, "-no-runs")
        width = self.query_one("#runs").scrollable_content_region.width
        rows = [(run.id, run_line(run, width)) for run in [*self._runs.values()][:500]]
        chosen = self._chosen_run()
        if chosen is not None and chosen != before:
            self._describe("runs", chosen.id)
        if [(identity, str(line)) for identity, line in rows] == self._shown:
            return
        self._shown = [(identity, str(line)) for identity, line in rows]
        runs = self.query_one("#runs", OptionList)
        place = runs.highlighted or 0
        kept = runs.get_option_at_index(place).id if runs.highlighted is not None else None
        runs.clear_options()
        runs.add_options([Option(line, id=identity) for identity, line in rows])
        if kept in self._runs:
            runs.highlighted = runs.get_option_index(str(kept))
        elif kept is not None and rows:
            runs.highlighted = min(place, len(rows) - 1)
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
        if isinstance(focused, OptionList) and focused.highlighted is None:
            focused.action_first()  # so that the keys for a run have one
        self._show_keys()
        if isinstance(focused, OptionList) and focused.highlighted is not None:
            self._describe(focused.id, focused.get_option_at_index(focused.highlighted).id)

    def _describe(self, list_id: str | None, option_id: str | None) -> None:
        detail = self.query_one("#detail", Static)
        if list_id == "presets" and option_id in self._presets:
            preset = self._presets[str(option_id)]
            detail.border_title = Content(preset.name)
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
            detail.border_title = Content(run.id)
            detail.update(Content("\n").join(run_details(run, self._sizes.get(run.id))))
            self._show_keys()
            if run.is_live or run.id not in self._sizes:
                self._measure(run)

    def _show_keys(self) -> None:
        # The search is of presets; without it the keys for a run fit into 80 columns. A line above says what l does.
        is_of_runs = self.focused is self.query_one("#runs")
        left_out = {"learn", "search"} if is_of_runs else {"learn"}
        if is_of_runs and self.size.width < _WIDE:
            left_out.add("compare")
        shown = [action for action in HOME_ACTIONS if action.id not in left_out]
        titles = {"compare": "compare", "search": "find"} if self.size.width < _NARROW else {}
        self.query_one(Footer).show(shown, self.refusal, titles)

    @work(thread=True, exclusive=True, group="disk")
    def _measure(self, run: RunSummary) -> None:
        size = bytes_on_disk(Path(run.path))
        self.app.call_from_thread(self._show_size, run, size)

    def _show_size(self, run: RunSummary, size: int) -> None:
        if self._sizes.get(run.id) != size:
            self._sizes[run.id] = size
            if self._chosen_run() == run:
                self._describe("runs", run.id)

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
