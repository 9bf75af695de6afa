"""Reports: every form of every kind of contents, whole or not at all."""

from __future__ import annotations

import dataclasses
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from tests.comparing.report_examples import NASTY, curves, odd
from tuitrain.comparing.report.contents import Contents
from tuitrain.comparing.report.drawing import ARM_COLOURS, DASHES, SHAPES, Drawing, Marker, Polyline, Text, shape_of
from tuitrain.comparing.report.markdown import markdown
from tuitrain.comparing.report.page import page
from tuitrain.comparing.report.raster import png
from tuitrain.comparing.report.sheet import WIDTH, sheet
from tuitrain.comparing.report.vector import svg
from tuitrain.comparing.report.writing import FORMS, write_report
from tuitrain.errors import RunFolderError, UsageError

KINDS = {"three": curves(3, 4), "six": curves(6, 1), "twelve": curves(12, 2), "odd": odd(), "none": Contents(title="")}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", FORMS)
def test_every_form_of_any_contents_is_written(kind: str, suffix: str, tmp_path: Path) -> None:
    """One file, of the form that its suffix names, and nothing beside it."""
    path = tmp_path / f"a report{suffix.upper()}"
    write_report(KINDS[kind], path)
    data = path.read_bytes()
    begins = {".html": b"<!doctype html>", ".md": b"# ", ".svg": b"<svg ", ".png": b"\x89PNG"}
    assert data.startswith(begins[suffix])
    assert list(tmp_path.iterdir()) == [path]


def test_the_picture_is_a_picture() -> None:
    """Wide as the sheet at twice its size, with the colours of the arms in it."""
    picture = Image.open(io.BytesIO(png(sheet(KINDS["three"])))).convert("RGB")
    assert picture.width == round(2 * WIDTH)
    counted = picture.getcolors(picture.width * picture.height)
    assert counted is not None
    seen = {f"#{red:02x}{green:02x}{blue:02x}" for _, (red, green, blue) in counted}  # type: ignore[misc]
    assert set(ARM_COLOURS[:3]) <= seen


def test_a_picture_shows_the_first_metrics_and_names_the_others() -> None:
    """Three; the page has all of them."""
    contents = curves(2, 3)
    many = dataclasses.replace(contents, figures=contents.figures * 2, rankings=contents.rankings * 2)
    texts = [mark.text for mark in sheet(many).marks if isinstance(mark, Text)]
    assert sum(text == "verdict" for text in texts) == 3
    assert "In a report as .html or .md as well: eval/accuracy." in texts
    assert page(many).count('<p class="verdict">') == 4


def test_a_very_long_report_is_made_smaller_not_refused() -> None:
    """A sheet of a hundred thousand pixels."""
    tall = Drawing(880.0, 100_000.0, "", [Text(10.0, 50_000.0, "here", 12.0)])
    assert Image.open(io.BytesIO(png(tall))).height < 50_000


@pytest.mark.parametrize("kind", KINDS)
def test_svg_is_well_formed_and_within_its_sheet(kind: str) -> None:
    """No mark lies outside, no number is not finite, nothing is loaded and nothing runs."""
    drawing = sheet(KINDS[kind])
    text = svg(drawing)
    root = ET.fromstring(text)
    assert not re.search(r"\b(nan|inf)\b", re.sub(r">[^<]*<", "><", text))
    assert {element.tag.rpartition("}")[2] for element in root.iter()} <= {
        "svg",
        "style",
        "rect",
        "text",
        "circle",
        "polygon",
        "polyline",
        "path",
    }
    assert "href" not in text
    for mark in drawing.marks:
        points = mark.points if isinstance(mark, Polyline) else ()
        points += ((mark.x, mark.y),) if isinstance(mark, Text | Marker) else ()
        assert all(0 <= x <= drawing.width and 0 <= y <= drawing.height for x, y in points)


class _Tags(HTMLParser):
    """Which tags open, and whether each is closed in its turn."""

    VOID = frozenset({"meta", "br", "rect", "circle", "polygon", "polyline", "path"})

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        assert not any(name.startswith("on") or name in {"src", "href"} for name, _ in attrs)
        if tag not in self.VOID:
            self.opened.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.opened.pop() == tag


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_is_one_file_without_scripts(kind: str) -> None:
    """Every tag is closed; labels that look like markup are text."""
    text = page(KINDS[kind])
    tags = _Tags()
    tags.feed(text)
    assert not tags.opened
    assert not tags.seen & {"script", "link", "img", "iframe"}
    assert "<script" not in text
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text
    if kind == "odd":
        assert "&lt;script&gt;alert(&quot;1&quot;)" in text


def test_markdown_has_the_verdict_and_whole_tables() -> None:
    """As many cells in each row as in the head, whatever is in a label."""
    text = markdown(odd())
    rows = [re.split(r"(?<!\\)\|", line) for line in text.splitlines() if line.startswith("|")]
    assert NASTY not in text
    assert "<" not in re.sub(r"\\<", "", text)
    told = markdown(KINDS["three"])
    assert "**AdamW, lr 3e-4 is better than every other arm.**" in told
    assert "| AdamW, lr 3e-4 |" in told
    assert "**worse**" in told
    assert ".svg, .png or .html" in told
    widths: list[int] = []
    for line, row in zip([line for line in text.splitlines() if line.startswith("|")], rows, strict=True):
        if line.startswith("| ---"):
            assert len(row) == widths[-1]
        widths.append(len(row))


def test_markdown_says_the_curves_in_numbers() -> None:
    """Each arm's mean at some epochs, the first and the last among them."""
    figure = KINDS["three"].figures[0]
    rows = [line for line in markdown(KINDS["three"]).split("## eval/loss\n")[1].splitlines() if line.startswith("| ")]
    assert rows[2].startswith(f"| 0 | {figure.lines[0].ys[0]:.4g} |")
    assert f"| {figure.lines[2].ys[-1]:.4g} |" in next(row for row in rows if row.startswith("| 20 |"))


def test_thirty_arms_differ_in_more_than_colour() -> None:
    """Colour and dash together, so also in grey; mark and colour together."""
    arms = range(30)
    assert len({(arm % len(ARM_COLOURS), arm % len(DASHES)) for arm in arms}) == 30
    assert len({(arm % len(ARM_COLOURS), shape_of(arm)) for arm in arms}) == 30
    assert len(SHAPES) == len(ARM_COLOURS)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("report.pdf", r"\.pdf is no form of a report.*\.html, \.md, \.svg or \.png"),
        ("report", "it has no suffix"),
        ("nowhere/report.md", "there is no folder"),
        ("folder.md", "is a folder"),
    ],
)
def test_what_cannot_be_written_is_refused_before(name: str, told: str, tmp_path: Path) -> None:
    """With what to try; nothing is left behind."""
    (tmp_path / "folder.md").mkdir()
    with pytest.raises(UsageError, match=told):
        write_report(Contents(title="x"), tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.md"]


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk: the old report stands, and no draft is left."""
    path = tmp_path / "report.md"
    path.write_text("old")

    def fail(self: Path, data: bytes) -> int:
        self.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(RunFolderError, match="No space left"):
        write_report(Contents(title="x"), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
