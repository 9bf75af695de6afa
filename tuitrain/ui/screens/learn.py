"""The walk through the lecture: its stations at the left, the open one at the right. Enter on its page runs a preset.

A run is watched on a live screen above this one; escape there comes back here. What was seen is remembered by threads.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, OptionList, Static

from tuitrain.errors import TuitrainError
from tuitrain.learning.page import View, page
from tuitrain.learning.progress import Progress, next_station, num_seen, read_progress, write_progress
from tuitrain.learning.walk import Station, matching, stations
from tuitrain.preset import Preset
from tuitrain.ui.actions import LEARN_ACTIONS, Action, bindings
from tuitrain.ui.screens.small import HelpSheet
from tuitrain.ui.station_lines import page_content, station_options
from tuitrain.ui.widgets.footer import Footer

_SAVE_SECONDS = 2.0
_MOST_COLUMNS = 88
"""Of a line of text: longer ones are tiring to read."""
_SMALL_WIDTH = 100
_ONE_WIDTH = 72
"""Columns below which list and page take turns."""


class Page(VerticalScroll, inherit_bindings=False):
    """A text that arrows move up and down alone: left and right are the screen's."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", show=False),
        Binding("down,j", "scroll_down", show=False),
        Binding("pageup", "page_up", show=False),
        Binding("pagedown", "page_down", show=False),
        Binding("home", "scroll_home", show=False),
        Binding("end", "scroll_end", show=False),
    ]


class LearnScreen(Screen[None]):
    """Goes through the lecture.

    Args:
        presets: all shipped ones, by name.
        start: what to do with a preset that a person wants to run.
        station: id of the one to open; without it the walk goes on where it was left.
    """

    CSS_PATH = "learn.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(tuple(action for action in LEARN_ACTIONS if action.id != "choose"))
    ]

    def __init__(self, presets: dict[str, Preset], start: Callable[[Preset], None], station: str = "") -> None:
        super().__init__()
        self._presets = presets
        self._start = start
        self._open = station
        """Id of the station that is shown; empty until it is known."""
        self._chosen: dict[str, int] = {}
        """Station → which of its presets enter runs, where that is not the first."""
        self._answered: set[str] = set()
        self._left = ""
        """Station from which a search began, as long as it has chosen no other."""
        self._progress = Progress()
        self._saved: Progress | None = None
        """What the disk holds; None until it was read."""
        self._saving = Lock()

    def compose(self) -> ComposeResult:
        """List, page, search, keys."""
        yield Static(id="title")
        with Horizontal(id="walk"):
            yield OptionList(*station_options(stations(), self._progress), id="stations")
            with Page(id="page"):
                yield Static(id="text")
        yield Input(id="search", placeholder="part of a title, a formula, a preset or a paper", compact=True)
        yield Footer(id="keys")

    def on_mount(self) -> None:
        """Open the station that was asked for, else the one where the walk was left."""
        self.query_one("#stations").border_title = "stations"
        self._focus_side(to_page=bool(self._open))
        self._read()
        self.set_interval(_SAVE_SECONDS, self._save_news)

    def on_resize(self, event: events.Resize) -> None:
        """List and page beside each other where there is room."""
        self.set_class(event.size.width < _SMALL_WIDTH, "-small")
        self.set_class(event.size.width < _ONE_WIDTH, "-one")
        self.call_after_refresh(self._draw)

    def action_press(self, action: str) -> None:
        """Every key of the table comes through here."""
        match action:
            case "run":
                self._run()
            case "answer":
                self._turn_answer()
            case "next_station" | "previous_station":
                self._go(1 if action == "next_station" else -1)
            case "read_on":
                self._read_on()
            case "other_side":
                self._focus_side(to_page=self.focused is not self.query_one(Page))
            case "to_page" | "to_list":
                self._focus_side(to_page=action == "to_page")
            case "search":
                self._search()
            case "help":
                self.app.push_screen(HelpSheet(self.refusal, LEARN_ACTIONS))
            case "close":
                self._close()
            case "leave":
                self._save_now()
                self.app.exit(0)
            case _:
                pass

    def on_key(self, event: events.Key) -> None:
        """A digit chooses a preset."""
        if event.key.isdecimal() and event.key != "0" and not isinstance(self.focused, Input):
            self._choose(int(event.key) - 1)

    def refusal(self, action: Action) -> str:
        """Why an action cannot be used now; empty where it can."""
        station = self._station()
        if action.id == "run" and station is not None and not self._can_run(station):
            return "its presets are not in this version"
        return ""

    # ---- memory

    @work(thread=True)
    def _read(self) -> None:
        found, problem = read_progress()
        self.app.call_from_thread(self._take_progress, found, problem)

    def _take_progress(self, found: Progress, problem: str) -> None:
        if problem:
            words = f"{problem} The walk starts anew."
            self.notify(words, severity="warning", timeout=8, markup=False)
        self._progress = self._saved = found
        self._open = self._open or next_station(stations(), found).id
        self._list_stations(stations())
        self._remember()
        self._draw()
        listed = self.query_one("#stations", OptionList)
        # A station is a line; what lies before it, and mostly its chapter, stays in view.
        self.call_after_refresh(listed.scroll_to, y=max(0, (listed.highlighted or 0) - 3), animate=False)

    def _remember(self, *, seen: str = "") -> None:
        known = self._progress.seen
        both = (*known, seen) if seen and seen not in known else known
        self._progress = Progress(seen=both, last=self._open)
        if both != known:
            self._list_marks()
            self._draw_title()

    def _save_news(self) -> None:
        if self._saved is not None and self._saved != self._progress:
            self._save()

    @work(thread=True)
    def _save(self) -> None:
        self._save_now()

    def _save_now(self) -> None:
        """Write what is known by now; the last of several threads writes the newest."""
        with self._saving:
            progress = self._progress
            if self._saved is None or self._saved == progress:
                return
            self._saved = progress  # a disk that refuses is told once, not every two seconds
            try:
                write_progress(progress)
            except TuitrainError as error:
                self.notify(str(error), severity="error", timeout=8, markup=False)

    # ---- the station

    def _station(self) -> Station | None:
        return next((station for station in stations() if station.id == self._open), None)

    def _show(self, identity: str) -> None:
        """Open a station at its top."""
        is_other = identity != self._open
        self._open = identity
        self._remember()
        self._draw()
        if is_other:
            self.query_one(Page).scroll_home(animate=False)

    def _draw(self) -> None:
        self._draw_title()
        station = self._station()
        if station is None or self._saved is None:
            return
        self.query_one("#text", Static).update(page_content(page(station, self._view(station))))
        place = [found.id for found in stations()].index(station.id)
        self.query_one(Page).border_title = station.id
        self.query_one(Page).border_subtitle = f"{place + 1} of {len(stations())}"
        shown = [action for action in LEARN_ACTIONS if action.in_footer]
        in_list = self.focused is self.query_one("#stations")
        titles_now = {"run": "read" if in_list else "run", "answer": self._answer_title(station)}
        self.query_one(Footer).show(shown, lambda action: "" if in_list else self.refusal(action), titles_now)

    def _view(self, station: Station) -> View:
        columns = self.query_one("#text", Static).content_size.width or _SMALL_WIDTH // 2
        return View(
            width=min(_MOST_COLUMNS, columns),
            titles={name: preset.title for name, preset in self._presets.items()},
            chosen=self._chosen.get(station.id, 0) if self._can_run(station) else -1,
            is_answered=station.id in self._answered,
        )

    def _draw_title(self) -> None:
        seen = f"{num_seen(stations(), self._progress)} of {len(stations())} seen"
        self.query_one("#title", Static).update(
            Content.assemble(("learn", "bold"), f"   the lecture, one station at a time   {seen}")
        )

    def _answer_title(self, station: Station) -> str:
        return "cover" if station.id in self._answered else "answer"

    def _can_run(self, station: Station) -> bool:
        return any(name in self._presets for name in station.run)

    def _turn_answer(self) -> None:
        station = self._station()
        if station is None:
            return
        self._answered ^= {station.id}
        self._remember(seen=station.id)
        self._focus_side(to_page=True)
        self._draw()
        # Where the page was hidden it has its size after one refresh, and its new height after another.
        self.call_after_refresh(self._show_answer)

    def _show_answer(self) -> None:
        self._draw()
        self.call_after_refresh(self._scroll_to_answer)

    def _scroll_to_answer(self) -> None:
        """Bring the answer into view, with its question where there is room."""
        station, shown = self._station(), self.query_one(Page)
        if station is None or station.id not in self._answered:
            return
        lines = page(station, self._view(station))
        first = next(place for place, line in enumerate(lines) if any(piece.kind == "question" for piece in line))
        end = 1 + max(place for place, line in enumerate(lines) if any(piece.kind == "answer" for piece in line))
        height = shown.scrollable_content_region.height
        if end > shown.scroll_offset.y + height:
            shown.scroll_to(y=min(first, max(end - height, 0)) if end - first <= height else first, animate=False)

    def _choose(self, place: int) -> None:
        station = self._station()
        if station is not None and place < len(station.run):
            self._chosen[station.id] = place
            self._focus_side(to_page=True)
            self._draw()

    def _run(self) -> None:
        station = self._station()
        if station is None or not station.run:
            return
        name = station.run[self._chosen.get(station.id, 0)]
        preset = self._presets.get(name)
        if preset is None:
            self.notify(f'No preset named "{name}" in this version.', severity="warning", markup=False)
            return
        self._remember(seen=station.id)
        self._start(preset)

    # ---- moving

    def _go(self, offset: int) -> None:
        """To the next station of the list, or the one before."""
        listed = self.query_one("#stations", OptionList)
        places = [place for place, option in enumerate(listed.options) if not option.disabled]
        here = next((place for place in places if listed.options[place].id == self._open), None)
        if not places:
            return
        there = places[0] if here is None else places[max(0, min(len(places) - 1, places.index(here) + offset))]
        listed.highlighted = there
        self._show(str(listed.options[there].id))

    def _read_on(self) -> None:
        """A page further; at the end the next station."""
        shown = self.query_one(Page)
        if self.has_class("-one") and self.focused is not shown:
            self._focus_side(to_page=True)
        elif shown.scroll_offset.y >= shown.max_scroll_y:
            self._go(1)
        else:
            shown.scroll_page_down(animate=False)

    def _focus_side(self, *, to_page: bool) -> None:
        # What is hidden cannot be focused: first show it.
        self._show_side(to_page=to_page)
        self.set_focus(self.query_one("#page" if to_page else "#stations"))

    def _show_side(self, *, to_page: bool) -> None:
        """Which of the two is shown where there is room for one."""
        self.set_class(to_page, "-text")
        self.set_class(not to_page, "-list")

    def _search(self) -> None:
        search = self.query_one("#search", Input)
        search.display = True
        self._left = self._open
        self._focus_side(to_page=False)
        self.set_focus(search)

    def _close(self) -> None:
        """Leave the search, else the walk."""
        search = self.query_one("#search", Input)
        if search.display:
            search.display, search.value = False, ""
            self._open = self._left or self._open
            self._list_stations(stations())
            self._focus_side(to_page=False)
        elif self.has_class("-one") and self.focused is self.query_one(Page):
            self._focus_side(to_page=False)
        else:
            self._save_now()
            self.dismiss()

    # ---- the list

    def _list_stations(self, wanted: tuple[Station, ...]) -> None:
        listed = self.query_one("#stations", OptionList)
        listed.clear_options()
        listed.add_options(station_options(wanted, self._progress))
        found = next((place for place, option in enumerate(listed.options) if option.id == self._open), None)
        first = next((place for place, option in enumerate(listed.options) if not option.disabled), None)
        listed.highlighted = first if found is None else found

    def _list_marks(self) -> None:
        listed = self.query_one("#stations", OptionList)
        for option in station_options(stations(), self._progress):
            if option.id is not None and any(option.id == shown.id for shown in listed.options):
                listed.replace_option_prompt(option.id, option.prompt)

    @on(Input.Changed, "#search")
    def _narrow(self, event: Input.Changed) -> None:
        self._list_stations(matching(event.value))

    @on(Input.Submitted, "#search")
    def _choose_found(self) -> None:
        self._left = ""
        self._focus_side(to_page=False)

    @on(OptionList.OptionHighlighted, "#stations")
    def _open_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        if self._saved is not None and event.option_id is not None and event.option_id != self._open:
            self._show(event.option_id)

    @on(OptionList.OptionSelected, "#stations")
    def _read_selected(self) -> None:
        self._focus_side(to_page=True)

    @on(events.DescendantFocus)
    def _draw_focus(self) -> None:
        if self.focused is not None:
            self._show_side(to_page=self.focused is self.query_one(Page))
        self.call_after_refresh(self._draw)
