"""The app: opens home or a run, and knows what leaving means. Everything shown is in the screens."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from textual import events, on, work
from textual.screen import Screen

from tuitrain.errors import TuitrainError
from tuitrain.preset import Preset
from tuitrain.rundir.places import RunFolder
from tuitrain.session.branching import start_wanted
from tuitrain.session.start import resume_detached, start_detached
from tuitrain.ui.composing import BranchWish
from tuitrain.ui.late_keys import TakesLateKeys
from tuitrain.ui.screens.home import HomeScreen
from tuitrain.ui.screens.live import LiveScreen
from tuitrain.ui.screens.small import LeaveSheet, ResumeSheet
from tuitrain.ui.source import LiveSource, Source
from tuitrain.ui.theme import DARK, LIGHT
from tuitrain.ui.toasts import Toasts

StopAndWait = Callable[[float], bool]
_STOP_SECONDS = 30.0


class TuitrainApp(Toasts):
    """Shows home, or one run.

    Args:
        source: the run to show; None opens `first`, or home.
        presets: for home.
        station: of the walk through the lecture, to open above home; empty where it was left.
        stop_and_wait: for a run that lives in this process: asks it to stop and waits so many seconds.
    """

    TITLE = "tuitrain"
    ENABLE_COMMAND_PALETTE = False

    def __init__(
        self,
        source: Source | None = None,
        presets: list[Preset] | None = None,
        station: str | None = None,
        stop_and_wait: StopAndWait | None = None,
        first: Screen[None] | None = None,
    ) -> None:
        super().__init__()
        self.source = source
        """Of the run that was shown last, for the word on leaving."""
        self._presets, self._station, self._first = presets or [], station, first
        self._stop_and_wait = stop_and_wait

    def on_mount(self) -> None:
        """Open the first screen."""
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = DARK.name
        if self._stop_and_wait is not None:
            self.begin_capture_print(self)
        if self.source is None:
            self.push_screen(self._first or HomeScreen(self._presets, self._station))
        else:
            self.show_run(self.source, has_home=False)

    def on_print(self, event: events.Print) -> None:
        """What training code prints in this process goes where it goes in a process of its own: output.log."""
        if self.source is not None:
            with suppress(OSError), self.source.folder.output_path.open("a", encoding="utf-8") as output:
                output.write(event.text)

    def on_key(self, event: events.Key) -> None:
        """A key that nobody took: what was typed in one burst with the key that opened a dialog belongs to that."""
        if isinstance(self.screen, TakesLateKeys) and self.screen.take_late_key(event):
            event.stop().prevent_default()

    def show_run(self, source: Source, *, has_home: bool) -> None:
        """Show a run above whatever is shown."""
        self.source = source
        self.push_screen(LiveScreen(source, self._leave_run, has_home=has_home))

    @on(HomeScreen.RunChosen)
    def _open_run(self, event: HomeScreen.RunChosen) -> None:
        run = event.run
        folder = RunFolder(Path(run.path))
        if run.state not in {"lost", "stopped"} or run.step >= run.total_steps:
            self.show_run(LiveSource(folder), has_home=True)
            return
        words = f"{run.id} was {run.state} at step {run.step} of {run.total_steps}."
        self.push_screen(ResumeSheet(words), lambda wants: self._look_or_go_on(folder, wants=bool(wants)))

    def _look_or_go_on(self, folder: RunFolder, *, wants: bool) -> None:
        if wants:
            try:
                self._reap(resume_detached(folder, has_screen=True).process.wait)
            except TuitrainError as error:
                self.notify(str(error), severity="error", timeout=10)
                return
        self.show_run(LiveSource(folder), has_home=True)

    @on(HomeScreen.PresetChosen)
    def _start_preset(self, event: HomeScreen.PresetChosen) -> None:
        try:
            started = start_detached(event.preset, has_screen=True)
        except TuitrainError as error:
            self.notify(str(error), severity="error", timeout=10)
            return
        self._reap(started.process.wait)
        self.show_run(LiveSource(started.folder), has_home=True)

    @on(LiveScreen.BranchWanted)
    def _branch(self, event: LiveScreen.BranchWanted) -> None:
        self.notify("branching…", timeout=3)
        self._start_branch(event.folder, event.wish)

    @work(thread=True)
    def _start_branch(self, folder: RunFolder, wish: BranchWish) -> None:
        try:
            started = start_wanted(folder, wish.at, wish.changes, has_screen=True, say=self.notify)
        except TuitrainError as error:
            self.call_from_thread(self.notify, str(error), severity="error", timeout=10)
            return
        self.call_from_thread(self.show_run, LiveSource(started.folder), has_home=True)
        started.process.wait()  # or it would stay as a zombie

    @work(thread=True)
    def _reap(self, wait: Callable[[], int]) -> None:
        """Take the trainer's exit code, or its process would stay as a zombie."""
        wait()

    def _leave_run(self) -> None:
        board = self.source.board if self.source is not None else None
        if self._stop_and_wait is None or board is None or not board.is_live:
            self.exit(0)
            return
        self.push_screen(LeaveSheet(), self._on_leave_answered)

    def _on_leave_answered(self, wants_to_stop: bool | None) -> None:
        if wants_to_stop and self._stop_and_wait is not None:
            self.notify("stopping: evaluate, save, end", timeout=_STOP_SECONDS)
            self._stop_then_exit(self._stop_and_wait)

    @work(thread=True)
    def _stop_then_exit(self, stop_and_wait: StopAndWait) -> None:
        stop_and_wait(_STOP_SECONDS)
        self.call_from_thread(self.exit, 0)
