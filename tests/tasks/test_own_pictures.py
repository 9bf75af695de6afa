"""One's own pictures: modes, sizes, folders, and every mistake told with a way out."""

from __future__ import annotations

import io
import os
import shutil
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from tests.tasks.test_own_data import FUZZ, checked, problems_of, usable_or_told
from tuitrain.tasks import own_pictures
from tuitrain.tasks.own import OwnData, OwnDataError, inspect_own, load_own


def picture(path: Path, shade: Any = 0, size: tuple[int, int] = (6, 4), mode: str = "L", **save: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, shade).save(path, **save)


def pictures(folder: Path, count: int = 5, classes: str = "ab") -> OwnData:
    """Gray ones of 6×4; the shade says of what class each is, and which."""
    for number, name in enumerate(classes):
        for index in range(count):
            picture(folder / name / f"{index}.png", 100 * number + index)
    return OwnData(kind="imagefolder", path=folder)


def shades(x: NDArray[np.generic]) -> list[int]:
    return sorted(map(int, x[:, 0, 0, 0].tolist()))


def classes(x: NDArray[np.generic]) -> list[int]:
    """What the shades say."""
    return [int(shade) // 100 for shade in x[:, 0, 0, 0].tolist()]


def test_a_folder_of_pictures(tmp_path: Path) -> None:
    """Channels first, bytes, a class for each subfolder, a fair split; files of the system are not looked at."""
    options = pictures(tmp_path)
    (tmp_path / "a" / ".DS_Store").write_bytes(b"?")
    (tmp_path / "a" / "Thumbs.db").write_bytes(b"?")
    (tmp_path / ".cache").mkdir()
    (tmp_path / "README").write_text("About.")
    data = checked(options)
    assert data.spec.input_shape == (1, 4, 6)
    assert data.class_names == ("a", "b")
    assert data.arrays.train_x.dtype == np.uint8
    assert classes(data.arrays.train_x) == data.arrays.train_y.tolist()
    assert np.bincount(data.arrays.validation_y).tolist() == [1, 1]
    assert shades(np.concatenate([data.arrays.train_x, data.arrays.validation_x])) == [*range(5), *range(100, 105)]
    assert data.spec.summary == f"{tmp_path.name}: 10 samples, pictures of 6×4, 2 classes"


@pytest.mark.parametrize("name", ["val", "validation", "Test"])
def test_folders_that_come_split_stay_so(tmp_path: Path, name: str) -> None:
    """Shuffled, and nobody changes sides."""
    pictures(tmp_path / "train", 6)
    pictures(tmp_path / name, 2)
    data = checked(OwnData(kind="imagefolder", path=tmp_path))
    assert shades(data.arrays.train_x) == [*range(6), *range(100, 106)]
    assert shades(data.arrays.validation_x) == [0, 1, 100, 101]
    assert classes(data.arrays.validation_x) == data.arrays.validation_y.tolist()
    pictures(tmp_path / name, 1, "xyz")
    assert any('3 classes of the validation data are not in the training data: "x", "y", "z"' in problem
               for problem in problems_of(OwnData(kind="imagefolder", path=tmp_path)))  # fmt: skip


def test_train_may_be_a_class_or_the_only_part(tmp_path: Path) -> None:
    """A train beside a bus has pictures in it; a train alone has classes in it and is split."""
    for name in ("train", "test", "bus"):
        for index in range(3):
            picture(tmp_path / "one" / name / f"{index}.png", index)
    picture(tmp_path / "one" / "train" / "steam" / "3.png", 3)
    assert checked(OwnData(kind="imagefolder", path=tmp_path / "one")).class_names == ("bus", "test", "train")
    pictures(tmp_path / "two" / "train")
    assert checked(OwnData(kind="imagefolder", path=tmp_path / "two")).class_names == ("a", "b")


def test_gray_and_colour_become_colour(tmp_path: Path) -> None:
    """All kinds of pixels; see-through ones lie on white, palettes have their colours; what is changed is said."""
    folder = tmp_path / "a"
    picture(folder / "0.png", 7)
    picture(folder / "1.png", (1, 2, 3), mode="RGB")
    picture(folder / "2.png", (9, 9, 9, 0), mode="RGBA")
    picture(folder / "3.png", (40, 255), mode="LA")
    picture(folder / "4.gif", 0, mode="P")
    picture(folder / "5.png", 1, mode="1")
    picture(tmp_path / "b" / "6.jpg", (0, 0, 0, 0), mode="CMYK")
    picture(tmp_path / "b" / "7.bmp", 200)
    data = checked(OwnData(kind="imagefolder", path=tmp_path))
    assert data.spec.input_shape == (3, 4, 6)
    pixels = np.concatenate([data.arrays.train_x, data.arrays.validation_x])[:, :, 0, 0].tolist()
    assert sorted(pixels) == sorted(
        [[7] * 3, [1, 2, 3], [255] * 3, [40] * 3, [0] * 3, [255] * 3, [255] * 3, [200] * 3]
    )  # fmt: skip
    assert data.notes == ("2 pictures with transparency, laid on white", "1 picture in CMYK, turned into RGB")


@pytest.mark.parametrize(
    ("mode", "ending", "values"),
    [
        ("I;16", "png", (300, 450)), ("I;16", "png", (3, 250)), ("I;16", "tif", (3, 65000)), ("I", "tif", (3, 2**30)),
        ("F", "tif", (0.25, 1e6)), ("F", "tif", (-1.5, 0.0)),
    ],
)  # fmt: skip
def test_pixels_of_more_than_8_bits_keep_their_range(tmp_path: Path, mode: str, ending: str, values: Any) -> None:
    """Of 12-bit cameras, depth maps and label maps, also where a size is asked for."""
    for name, value in zip("ab", values, strict=True):
        for index in range(5):
            picture(tmp_path / name / f"{index}.{ending}", value, mode=mode)
    for size in (None, 3):
        data = checked(OwnData(kind="imagefolder", path=tmp_path, image_size=size))
        assert [values[code] for code in data.arrays.train_y.tolist()] == data.arrays.train_x[:, 0, 0, 0].tolist()
    assert any("keep their range" in note for note in data.notes)


def test_depths_that_do_not_compare_are_asked_for(tmp_path: Path) -> None:
    """A white of 255 is no dark of 65 535; a pixel that is no number is told with its picture."""
    options = pictures(tmp_path)
    picture(tmp_path / "a" / "deep.png", 300, mode="I;16")
    assert "1 with 16 bits, 10 with 8 bits. Try saving" in problems_of(options)[0]
    for index in range(3):
        for name in "ab":
            picture(tmp_path / "float" / name / f"{index}.tif", float(index), mode="F")
    picture(tmp_path / "float" / "a" / "0.tif", float("nan"), mode="F")
    with pytest.raises(OwnDataError, match=r'"a/0.tif" \(a pixel that is NaN or infinite\)'):
        load_own(OwnData(kind="imagefolder", path=tmp_path / "float"))


def test_colors_of_16_bits_lose_half_of_them_and_that_is_said(tmp_path: Path) -> None:
    """Pillow cannot do otherwise."""
    options = pictures(tmp_path)
    head = struct.pack(">IIBBBBB", 6, 4, 16, 2, 0, 0, 0)
    rows = b"".join(b"\0" + struct.pack(">18H", *([40 * 256 + 9] * 18)) for _ in range(4))
    blocks = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    data = b"".join(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
                    for kind, body in blocks)  # fmt: skip
    (tmp_path / "a" / "wide.png").write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    (tmp_path / "b" / "wide.ppm").write_bytes(b"P6 6 4 65535\n" + struct.pack(">72H", *([40 * 256 + 9] * 72)))
    assert checked(options).notes == ("2 pictures with 16 bits a color, of which the upper 8 are taken",)


HIDDEN = (".ipynb_checkpoints", "__MACOSX", "@eaDir", "$RECYCLE.BIN", "lost+found", ".git", "System Volume Information")


@pytest.mark.parametrize("name", HIDDEN)
def test_what_is_hidden_or_of_a_system_is_left_out_at_every_depth(tmp_path: Path, name: str) -> None:
    """Beside the classes, in them, below them, and beside the sides of a split; and it is said."""
    options = pictures(tmp_path / "plain")
    split = OwnData(kind="imagefolder", path=tmp_path / "split")
    pictures(split.path / "train")
    pictures(split.path / "val")
    one = options.path
    for folder in (one, one / "a", one / "a" / "deeper", split.path, split.path / "val" / "b"):
        for index in range(5):
            picture(folder / name / f"{index}.png", 250)
        (folder / "Thumbs.db").write_bytes(b"?")
    for way in (options, split):
        data = checked(way)
        assert 250 not in shades(np.concatenate([data.arrays.train_x, data.arrays.validation_x]))
        assert data.class_names == ("a", "b")
        assert f'folders left out: "{name}"' in data.notes


def test_links_are_followed_once_and_what_is_no_file_is_told(tmp_path: Path) -> None:
    """A folder elsewhere is a part of its class; a link upwards is left out; a pipe does not hang."""
    options = pictures(tmp_path / "in")
    picture(tmp_path / "elsewhere" / "far.png", 50)
    (options.path / "a" / "more").symlink_to(tmp_path / "elsewhere")
    (options.path / "a" / "again").symlink_to(tmp_path / "elsewhere")
    (options.path / "b" / "loop").symlink_to(options.path / "b")
    (options.path / "b" / "up").symlink_to(options.path)
    (options.path / "all").symlink_to(".")
    data = checked(options)
    assert shades(np.concatenate([data.arrays.train_x, data.arrays.validation_x])) == [*range(5), 50, *range(100, 105)]
    assert 'folders left out: "all", "loop", "up"' in data.notes
    os.mkfifo(options.path / "a" / "photo.png")
    (options.path / "a" / "gone.png").symlink_to("nowhere")
    (problem,) = problems_of(options)
    assert '2 files cannot be read as a picture: "a/gone.png", "a/photo.png" (the first: a link to nothing)' in problem
    (options.path / "a" / "gone.png").unlink()
    assert "(a named pipe)" in problems_of(options)[0]


def test_folders_that_may_be_sides_or_classes_are_asked_for(tmp_path: Path) -> None:
    """As ImageNet lies about: with three parts, with a flat one, with something else beside them, and alone."""
    root = tmp_path / "in"
    for side in ("train", "val", "test"):
        pictures(root / side)
    assert checked(OwnData(kind="imagefolder", path=root)).notes == ("val is validated on", 'left out: "test"')
    pictures(root / "extra")
    assert (
        'beside it there is "extra", which may be a class or a side. Try path = '
        in problems_of(OwnData(kind="imagefolder", path=root))[0]
    )
    shutil.rmtree(root / "extra")
    shutil.rmtree(root / "val")
    picture(root / "val" / "0.png")
    (problem,) = problems_of(OwnData(kind="imagefolder", path=root))
    assert '"val" holds pictures that are in no class folder. Try a folder for each class in it.' in problem
    shutil.rmtree(root / "train")
    shutil.rmtree(root / "val")
    picture(root / "cat" / "0.png")
    assert '"cat", which may be a class or a side' in problems_of(OwnData(kind="imagefolder", path=root))[0]


def test_sizes_are_made_alike_on_demand(tmp_path: Path) -> None:
    """Squeezed to a square; a photo lies as its camera was held."""
    options = pictures(tmp_path)
    picture(tmp_path / "a" / "wide.png", 9, (50, 20))
    (problem,) = problems_of(options)
    assert problem.startswith("The pictures have 2 sizes: 6×4, 50×20. Try image_size = 64")
    squeezed = OwnData(kind="imagefolder", path=tmp_path, image_size=3)
    assert checked(squeezed).spec.input_shape == (1, 3, 3)
    (tmp_path / "a" / "wide.png").unlink()
    exif = Image.Exif()
    exif[0x0112] = 6  # held upright: 4 wide and 6 high are shown as 6 wide and 4 high
    lying = np.full((6, 4), 40, dtype=np.uint8)
    lying[3:, :] = 240  # the right half of the columns is what stands below
    Image.fromarray(lying).save(tmp_path / "a" / "turned.jpg", quality=100, exif=exif)
    data = checked(options)
    assert data.spec.input_shape == (1, 4, 6)
    turned = [x for x in [*data.arrays.train_x, *data.arrays.validation_x] if int(x.max()) > 200]
    assert np.allclose(turned[0][0, :, 0].astype(int), 240, atol=9)
    assert np.allclose(turned[0][0, :, 5].astype(int), 40, atol=9)


def test_each_mistake_in_a_folder_is_told(tmp_path: Path) -> None:
    """All at once, each in one sentence."""
    options = pictures(tmp_path)
    for name in ("1.txt", "2.txt", "3.txt", "4.txt", "5.png"):
        (tmp_path / "a" / name).write_text("no picture")
    (tmp_path / "empty").mkdir()
    picture(tmp_path / "single" / "one.tif", 1.0, (9, 9), "F")
    found = problems_of(options)
    expected = [
        '1 class folder without a picture: "empty"',
        '5 files cannot be read as a picture: "a/1.txt", "a/2.txt", "a/3.txt" and 2 more (the first: no picture)',
        "1 with floating point, 10 with 8 bits",
        "The pictures have 2 sizes: 6×4, 9×9",
        '1 class with fewer than 2 samples cannot be split: "single"',
    ]
    assert all(any(part in problem for problem in found) for part in expected), found
    assert len(found) == len(expected), found
    assert "image_size = 0" in problems_of(OwnData(kind="imagefolder", path=tmp_path, image_size=0))[0]


def test_folders_without_classes(tmp_path: Path) -> None:
    """None, one, and none with a picture in it."""
    options = OwnData(kind="imagefolder", path=tmp_path)
    picture(tmp_path / "0.png")
    assert "has no subfolders. Try one for each class" in problems_of(options)[0]
    (tmp_path / "a").mkdir()
    assert "without a picture" in problems_of(options)[0]
    pictures(tmp_path, classes="a")
    assert 'All samples are of one class, "a"' in problems_of(options)[0]


def test_pictures_that_fill_the_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before they are decoded."""
    options = pictures(tmp_path)
    monkeypatch.setattr(own_pictures, "MOST_NUMBERS", 10 * 6 * 4 - 1)
    assert "10 pictures of 6×4 take" in problems_of(options)[0]
    monkeypatch.setattr(own_pictures, "MOST_NUMBERS", 10 * 6 * 4)
    checked(options)


def test_a_picture_cut_off_inside_is_found_on_loading(tmp_path: Path) -> None:
    """The check reads headers only."""
    options = pictures(tmp_path)
    noise = np.random.default_rng(0).integers(0, 255, (4, 6), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "b" / "cut.bmp")
    whole = (tmp_path / "b" / "cut.bmp").read_bytes()
    (tmp_path / "b" / "cut.bmp").write_bytes(whole[:-8])
    assert inspect_own(options).num_outputs == 2
    with pytest.raises(OwnDataError) as caught:
        load_own(options)
    assert '1 picture cannot be decoded: "b/cut.bmp" (image file is truncated' in caught.value.problems[0]


def test_a_photo_that_is_made_small_keeps_its_colours(tmp_path: Path) -> None:
    """Decoded small, which is four times as fast; each quarter stays where it is."""
    quarters = np.kron(np.array([[20, 90], [160, 230]], dtype=np.uint8), np.ones((200, 300), dtype=np.uint8))
    for name in ("a/0.jpg", "a/1.jpg", "b/0.jpg", "b/1.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(quarters).save(tmp_path / name, quality=95)
    data = checked(OwnData(kind="imagefolder", path=tmp_path, image_size=8))
    found = data.arrays.train_x[0][0, 1::5, 1::5].astype(int)  # away from the seams
    assert np.abs(found - [[20, 90], [160, 230]]).max() <= 3


@FUZZ
@given(
    kind=st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"]),
    cut=st.floats(0, 1),
    at=st.floats(0, 0.999),
    byte=st.integers(0, 255),
)
def test_a_damaged_picture_is_told(tmp_path: Path, kind: str, cut: float, at: float, byte: int) -> None:
    """Cut off, or with one byte changed, in all formats."""
    shutil.rmtree(tmp_path / "a", ignore_errors=True)
    options = pictures(tmp_path, 2)
    written = io.BytesIO()
    Image.new("RGB", (6, 4), (1, 2, 3)).save(written, kind)
    whole = written.getvalue()
    place = int(at * len(whole))
    for damaged in (whole[: int(cut * len(whole))], whole[:place] + bytes([byte]) + whole[place + 1 :]):
        (tmp_path / "a" / "damaged").write_bytes(damaged)
        usable_or_told(options)
