"""The terminal under the app: it is never sent more than it can show, and given back as it was, whatever ends the app.

All that knows the inside of Textual's driver for POSIX systems is in this file.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from types import FrameType
from typing import Any, ClassVar

from textual import events
from textual.app import App
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from tuitrain.signs import fitted, lacking_here
from tuitrain.ui.lean import lean
from tuitrain.ui.line import LINE, REQUEST

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_LOOK_SECONDS = 0.1
_ANSWER_SECONDS = 2.0
"""To wait on leaving for an answer that would otherwise be typed into the shell."""
_LEAVE_SECONDS = 8.0
"""After a signal, until the terminal is given back by force: the app may wait for one that takes nothing."""
_MOST_COLUMNS, _MOST_ROWS = 640, 200
"""Of a picture: what a display of 8 million pixels holds. A terminal may be told that it is larger."""
_GIVE_BACK = "\x1b[?2026l\x1b[?2004l\x1b[?7h\x1b[?2048l\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l"
_GIVE_BACK += "\x1b[<u\x1b[0m\x1b[?1049l\x1b[?25h\x1b[?1004l"


class TerminalDriver(LinuxDriver):
    """Writes lean output, and outlives a terminal that is gone."""

    def __init__(self, app: TerminalApp, **options: Any) -> None:
        super().__init__(app, **options)
        app.terminal = self
        self._of_app = app
        self._file: Any = _Output()  # and not stderr, which may be a log
        app.lacks = lacking_here()
        self._size = self._size or self._get_terminal_size()
        self._num_written = 0
        self._is_suspended = False
        self._has_answered = threading.Event()

    @property
    def is_gone(self) -> bool:
        """Whether there is no terminal any more, as after its window was closed."""
        poll = select.poll()
        poll.register(self.fileno, 0)
        return bool(poll.poll(0))

    def write(self, data: str) -> None:
        """Write what shows the same, with fewer codes."""
        data = lean(fitted(data, self._of_app.lacks))
        self._num_written += len(data)
        super().write(data)

    def follow(self) -> None:
        """After something was shown: write a request behind it, if it is time for one."""
        written, self._num_written = self._num_written, 0
        if written and LINE.wrote(written):
            self._request()

    def go_on(self) -> None:
        """After an answer: write the next request, if something came behind the last one."""
        if LINE.answered():
            self._request()

    def process_message(self, message: Message) -> None:
        """Take note of an answer where the key thread reads it, which goes on while the app ends."""
        if isinstance(message, events.CursorPosition):
            self._has_answered.set()
        super().process_message(message)

    def run_input_thread(self) -> None:
        """Read keys until the end; what is no UTF-8 is no key, and a terminal that is gone types nothing."""
        while True:
            try:
                return super().run_input_thread()
            except UnicodeDecodeError:
                continue
            except OSError:
                return None

    def disable_input(self) -> None:
        """Stop reading keys, once the terminal has answered: what comes later would be typed into the shell."""
        if self._is_suspended:
            return
        if LINE.expects_answer and not self.is_gone:
            self._has_answered.wait(_ANSWER_SECONDS)
        LINE.begin_anew()
        super().disable_input()

    def suspend_application_mode(self) -> None:
        """Give the terminal back for a while."""
        super().suspend_application_mode()
        self._is_suspended = True

    def resume_application_mode(self) -> None:
        """Take the terminal again; after a stop that nobody could catch it was never given back, and is drawn anew."""
        if self._is_suspended and not self._of_app.is_leaving:  # in the background it would be stopped for that
            self._is_suspended = False
            super().resume_application_mode()
        elif not self._is_suspended:
            self.send_message(self.SignalResume())

    def stop_application_mode(self) -> None:
        """Give the terminal back, unless that was done before, as of a program that ends while it is suspended."""
        if not self._is_suspended:
            self.write("\x1b[?1016l" if self._mouse_pixels else "")
            super().stop_application_mode()

    def give_back_at_once(self) -> None:
        """Give the terminal back from any thread, without waiting for anything."""
        if self._is_suspended:
            return  # it is the shell's already
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})  # in the background it would be stopped for this
        with contextlib.suppress(OSError, termios.error):
            if self.attrs_before is not None:
                termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)
            os.set_blocking(self.fileno, False)
            os.write(self.fileno, _GIVE_BACK.encode())

    def _get_terminal_size(self) -> tuple[int, int]:
        """That of the terminal and not of COLUMNS and LINES, which somebody may have exported long ago."""
        with contextlib.suppress(OSError):
            size = os.get_terminal_size(self.fileno)
            if all(size):
                return min(size.columns, _MOST_COLUMNS), min(size.lines, _MOST_ROWS)
        return 80, 24

    def _request(self) -> None:
        self._has_answered.clear()
        super().write(REQUEST)
        self.flush()


class TerminalApp(App[int]):
    """An app that leaves its terminal as it was after q, SIGINT, SIGTERM, SIGHUP and SIGQUIT alike."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+z", "suspend_process", show=False)]

    def __init__(self) -> None:
        super().__init__()
        self.terminal: TerminalDriver | None = None
        """None where there is none, as in a test."""
        self.lacks = ""
        """What the terminal cannot show, see `tuitrain.signs`."""
        self._signal = 0
        self._held: AbstractContextManager[None] | None = None

    @property
    def is_leaving(self) -> bool:
        """Whether a signal ends it."""
        return bool(self._signal)

    def get_driver_class(self) -> type[Driver]:
        """Ours, where Textual would take the one that ours is made of."""
        found = super().get_driver_class()
        return TerminalDriver if found is LinuxDriver else found

    def run(self, **options: Any) -> int | None:
        """Run the app; the terminal is given back when it returns."""
        with self._signals_noted():
            result = super().run(**options)
        if self.terminal is not None and self.terminal.is_gone:
            for number in (0, 1, 2):  # or the last words, and Python's own flush at the end, would fail
                os.dup2(os.open(os.devnull, os.O_RDWR), number)
        return result

    def on_mount(self) -> None:
        """Begin to look after the terminal."""
        if self.terminal is not None:
            self.set_interval(_LOOK_SECONDS, self._look_after_terminal)
            self.app_resume_signal.subscribe(self, self._on_resumed)
            self.terminal.follow()  # before anything large is written: does it answer?

    def post_display_hook(self) -> None:
        """Ask for an answer to what was written."""
        if self.terminal is not None and self.is_running:
            self.terminal.follow()
            self._hold_or_go_on()

    def on_cursor_position(self) -> None:
        """Show what waited for this answer."""
        if self.terminal is not None:
            self.terminal.go_on()
            self._hold_or_go_on()

    def _hold_or_go_on(self) -> None:
        """Nothing is shown while the line is full; what changed meanwhile is shown together when it is not."""
        if LINE.is_full and self._held is None:
            self._held = self.batch_update()
            self._held.__enter__()
        elif self._held is not None and not LINE.is_full:
            held, self._held = self._held, None
            held.__exit__(None, None, None)

    def _look_after_terminal(self) -> None:
        self._hold_or_go_on()
        if self.terminal is not None and self.terminal.is_gone:
            self._signal = self._signal or signal.SIGHUP
        if self._signal and self.return_code is None:
            self.exit(return_code=128 + self._signal)

    def _on_resumed(self, _app: App[Any]) -> None:
        LINE.begin_anew()
        self.refresh(layout=True)

    @contextlib.contextmanager
    def _signals_noted(self) -> Iterator[None]:
        """A signal is noted, and the app ends by itself; where it cannot, by force."""
        heeded = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._on_signal) for number in heeded}
        self._force = threading.Timer(_LEAVE_SECONDS, self._leave_by_force)
        self._force.daemon = True
        try:
            yield
        finally:
            self._force.cancel()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if not self._signal:
            self._signal = number
            self._force.start()

    def _leave_by_force(self) -> None:
        if self.terminal is not None:
            self.terminal.give_back_at_once()
        os._exit(128 + self._signal)


class _Output:
    """Stdout for the thread that writes; what is written to a terminal that is gone goes nowhere."""

    def __init__(self) -> None:
        assert sys.__stdout__ is not None
        self._stdout = sys.__stdout__
        self.fileno = self._stdout.fileno

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._stdout.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stdout.flush()
