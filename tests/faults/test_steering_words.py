"""A run that somebody else made cannot steer a terminal: whatever its words hold, only signs come out."""

from __future__ import annotations

import io
import random
import sys
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.containers import VerticalScroll
from textual.widgets import OptionList

from tests.protocol.test_words import EVENTS, words
from tests.recordings import STEERED, copied
from tests.ui.test_any_words import shown
from tests.ui.watching import text_of, until
from tuitrain import cli
from tuitrain.board.board import Board
from tuitrain.preset import load_preset, preset_from_data
from tuitrain.protocol.codec import encode, encode_event
from tuitrain.protocol.commands import Request, SaveCheckpoint
from tuitrain.protocol.events import AlarmRaised, EvalFinished, Event, LearningRatePlanned, Paused, RunEnded
from tuitrain.protocol.printable import MOST_SIGNS, printable, printable_output, printable_word
from tuitrain.rundir.follower import read_events
from tuitrain.rundir.places import RunFolder, read_info, runs_folder, write_info
from tuitrain.rundir.summary import summarize
from tuitrain.session.exporting import preset_as_text
from tuitrain.session.printer import Printer
from tuitrain.session.reading import RunReader
from tuitrain.ui.app import TuitrainApp
from tuitrain.ui.run_lines import run_details, run_line
from tuitrain.ui.screens.live import LiveScreen
from tuitrain.ui.screens.small import OutputSheet
from tuitrain.ui.source import LiveSource

EVIL = "a\x1b[2J\x1b]0;owned\x07\x9b31m\n\r\x00\x7f\u202eb\u2066\u200b\u2028[red][/x]\u0085\ue000\t"
SIGNS = st.sampled_from(
    [*"\x00\x07\x08\n\r\x1b\x7f\x85\x9b\x9d\u061c\u200b\u200e\u202e\u2066\u2028\ufeff", "[/x]", "a"]
)
TEXTS = st.one_of(st.just(EVIL), st.just("\x1b" * 5000), st.lists(SIGNS, max_size=12).map("".join))


def poisoned(word: Any, kind: Any, text: str) -> Any:
    """A value of a type with a text in place of every one in it that may be any; keys of dictionaries too."""
    if kind is str:
        return text
    if isinstance(word, msgspec.Struct):
        fields = msgspec.structs.fields(type(word))
        return msgspec.structs.replace(
            word, **{each.name: poisoned(getattr(word, each.name), each.type, text) for each in fields}
        )
    if get_origin(kind) in {tuple, list}:
        return get_origin(kind)(poisoned(item, get_args(kind)[0], text) for item in [*word])
    if get_origin(kind) is dict:
        return {text + key: poisoned(item, get_args(kind)[1], text) for key, item in word.items()}
    return text if isinstance(word, str) and str in get_args(kind) else word


def only_signs(text: str) -> bool:
    """Nothing but what a person sees, and the ends of lines."""
    return all(sign.isprintable() or sign == "\n" for sign in text)


def of_strangers(runs: Path, *further: Event) -> RunFolder:
    """A recording that goes on with further words."""
    folder = copied(STEERED, runs)
    kept = folder.events_path.read_bytes().splitlines(keepends=True)[:30]
    folder.events_path.write_bytes(b"".join(kept) + b"".join(encode_event(event) + b"\n" for event in further))
    return folder


@pytest.mark.parametrize("kind", [kind for kind in EVENTS if kind is not LearningRatePlanned], ids=lambda k: k.__name__)
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_no_word_of_a_folder_steers_a_terminal(
    kind: type[Any], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Each kind with each of its texts hostile: the live screen's lines, the printer's, and those of home."""
    text = data.draw(TEXTS)
    word = poisoned(data.draw(words(kind)), kind, text)
    folder = of_strangers(tmp_path_factory.mktemp("runs"), word)
    reader, board = RunReader(folder), Board()
    stream = io.StringIO()
    printer = Printer(folder.id, stream)
    found = reader.poll() + reader.poll()
    printer.take(found)
    for each in found:
        board.apply(each)
    assert [read for read in found if type(read) is kind], "it was read"
    assert only_signs("".join(shown(board))), "the live screen"
    assert only_signs(stream.getvalue()), "the printer"
    assert only_signs("".join(map(str, [*printer.summary().values()])))
    assert max(map(len, stream.getvalue().split("\n"))) < 60 * MOST_SIGNS
    summary = summarize(folder)
    assert only_signs("".join([run_line(summary, 80).plain, *(line.plain for line in run_details(summary, None))]))


@given(TEXTS)
def test_a_word_keeps_what_is_no_text(text: str) -> None:
    """Numbers stay the very objects; a word without such codes is itself; a traceback keeps its lines."""
    word = EvalFinished(step=3, metrics={"eval/loss" + text: 0.5}, eval_seconds=0.1, num_samples=7)
    read = printable_word(word)
    assert [*read.metrics.values()] == [0.5]
    assert (read is word) == (text == printable(text) and len(text) < MOST_SIGNS)
    ended = printable_word(RunEnded(step=1, reason="failed", message="one\ntwo", traceback="one\n\ttwo\x1b"))
    assert (ended.message, ended.traceback) == ("one two", "one\n two·")


def test_the_colours_of_output_go_and_a_bar_shows_its_end() -> None:
    """As a terminal would have left it, without letting it be one."""
    assert printable_output("\x1b[1;31mbad\x1b[0m\r\n10 %\r20 %\n\x1b]0;owned\x07") == "bad\n20 %\n·]0;owned·"


def hostile_run(runs: Path) -> RunFolder:
    """A run, the name of whose folder is hostile as well; it has failed."""
    folder = of_strangers(
        runs,
        AlarmRaised(step=9, kind="plateau", message=EVIL, value=1.0, module=EVIL, advice=EVIL),
        Paused(step=9, reason=EVIL),
        RunEnded(step=9, reason="failed", message=EVIL, traceback=EVIL, last={EVIL: 1.0}),
    )
    info = read_info(folder)
    write_info(
        folder, msgspec.structs.replace(info, title=EVIL, preset_name=EVIL, host=EVIL, comparison=f"{EVIL}/{EVIL}")
    )
    ask = Request(id="1", session=info.session, actor="user", time=1.0, command=SaveCheckpoint(tag=EVIL))
    (folder.commands_path / "1.json").write_bytes(encode(ask))
    folder.output_path.write_text(EVIL)
    return RunFolder(folder.path.rename(runs / f"2026{EVIL.replace('/', '').replace(chr(0), '')}"))


async def test_no_screen_passes_it_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Home, the live screen of a failed run with a message that is broken markup, what was printed, and a toast."""
    monkeypatch.setenv("TUITRAIN_HOME", str(tmp_path))
    hostile_run(runs_folder())
    app = TuitrainApp()
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(lambda: len(app.screen.query_one("#runs", OptionList).options) == 1)
        await pilot.press("tab", "end")
        await until(lambda: "failed at step" in text_of(app))
        assert only_signs(text_of(app)), "home"
        [run] = [RunFolder(path) for path in runs_folder().iterdir()]
        app.show_run(LiveSource(run), has_home=True)
        await until(lambda: isinstance(app.screen, LiveScreen) and "[red][/x]" in text_of(app))
        app.notify(EVIL, title=EVIL)
        await until(lambda: "owned" in text_of(app))
        assert only_signs(text_of(app)), "live"
        app.push_screen(OutputSheet(LiveSource(run).output()))
        await until(lambda: bool(app.screen.query(VerticalScroll)) and "output.log" in text_of(app))
        assert only_signs(text_of(app)), "output.log"


@pytest.mark.parametrize(
    "line",
    [["runs"], ["runs", "--json"], ["attach", "last"], ["note", "last"], ["export", "last", "--to", "safetensors"]],
)
def test_no_listing_passes_it_on(
    line: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Results, refusals and errors, which name the folder."""
    monkeypatch.setenv("TUITRAIN_HOME", str(tmp_path))
    hostile_run(runs_folder())
    monkeypatch.setattr(sys, "argv", ["tuitrain", *line])
    with pytest.raises(SystemExit):
        cli.main()
    said = capsys.readouterr()
    assert "owned" in said.out + said.err
    assert only_signs(said.out + said.err)


def test_a_preset_that_is_written_can_be_shown_and_reads_back_the_same() -> None:
    """Its strings stand there with escapes."""
    import tomllib

    data = {**load_preset("mnist-mlp").to_data(), "title": EVIL + "\U000e0001"}
    text = preset_as_text(data)
    assert only_signs(text)
    assert tomllib.loads(text)["title"] == data["title"]
    assert preset_from_data({**tomllib.loads(text), "name": "again"}, "again").title == data["title"]


def test_the_record_itself_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Training again decides by it: there nothing is shown, and nothing may change."""
    folder = of_strangers(tmp_path, Paused(step=9, reason=EVIL))
    assert [event.reason for event in read_events(folder) if isinstance(event, Paused)][-1] == EVIL


def test_folders_whose_names_differ_in_such_codes_have_other_ids() -> None:
    """Or one would stand for the other in a list."""
    names = [f"a{sign}" for sign in "\x1b\x07\u202e"] + ["a·", "a"]
    random.Random(0).shuffle(names)
    assert len({RunFolder(Path("/runs") / name).id for name in names}) == len(names)


def test_commands_print_through_one_door() -> None:
    """What is new prints through `tuitrain.echo` as well; the printer of a run has its own such line."""
    package = Path(cli.__file__).parent
    files = [*package.glob("cli*.py"), package / "launch.py"]
    found = [
        path.name for path in files for way in ("typer.echo(", "print(", ".write(", "secho(") if way in path.read_text()
    ]
    assert found == []
