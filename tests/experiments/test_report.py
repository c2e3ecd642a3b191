"""The command writes one page, and tells a mistake in one line."""

import json
import sys
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.cli.errors import UsageError
from experiments.page import building
from experiments.page.member import reader_image
from experiments.report import main


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Call the door as the command line does."""
    monkeypatch.setattr(sys, "argv", ["report", *words])
    return main()


def test_the_page_is_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--only", "sampling", "--results", str(tmp_path)) == 0
    assert "1 views" in capsys.readouterr().out
    assert b"Sampling" in (tmp_path / "report.html").read_bytes()


def test_named_nets_are_shown_at_their_size(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    words = ["--only", "field", "--fast", "--net", "lenet5", "--net", "resnet50:v1@33", "--out", str(out)]
    assert run(monkeypatch, *words) == 0
    page = out.read_text()
    assert "lenet5 on 32x32 images" in page
    assert "resnet50:v1 on 33x33 images" in page


def test_a_readers_own_module_is_traced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "own_nets_of_a_reader.py").write_text(
        "from flax import nnx\n"
        "def make(rngs):\n"
        "    return nnx.Sequential(nnx.Conv(3, 4, (5, 5), strides=2, rngs=rngs), nnx.relu, "
        "nnx.Conv(4, 4, (3, 3), rngs=rngs))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    out = tmp_path / "page.html"
    words = ["--only", "field", "--fast", "--module", "own_nets_of_a_reader:make", "--size", "24", "--out", str(out)]
    assert run(monkeypatch, *words) == 0
    page = out.read_text()
    assert "own_nets_of_a_reader:make on 24x24" in page
    assert "conv 5x5, stride 2" in page


GRAPH = {
    "nodes": [
        {"name": "image", "op": "input", "channels": 1},
        {
            "name": "own",
            "op": "conv",
            "inputs": ["image"],
            "kernel": [3, 3],
            "stride": [2, 2],
            "padding": "SAME",
            "filters": 2,
        },
    ],
    "output": "own",
}


def test_a_graph_file_is_shown_at_its_size_or_at_the_given_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file, out = tmp_path / "net.json", tmp_path / "page.html"
    words = ["--only", "field", "--fast", "--net", str(file), "--out", str(out)]
    file.write_text(json.dumps({**GRAPH, "input_size": [9, 9]}))
    assert run(monkeypatch, *words) == 0
    assert "net.json on 9x9 images" in out.read_text()
    assert run(monkeypatch, *words, "--size", "10") == 0
    assert "net.json on 10x10 images" in out.read_text()


def test_a_graph_file_without_a_size_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "net.json"
    file.write_text(json.dumps(GRAPH))
    assert run(monkeypatch, "--only", "field", "--net", str(file), "--out", str(tmp_path / "page.html")) == 2
    assert "the file gives no input_size; add --size" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--only", "bored"], "--only bored is not valid: choose of board"),
        (["--net", "vgg61"], "--net=vgg61 is not valid: choose one of"),
        (["--net", "vgg16@big"], "size=big is not valid"),
        (["--module", "a.b:c"], "--module needs the image: add --size"),
        (["--results", "/no/such/folder"], "must be a folder"),
        (["--image", "/no/such.png", "--only", "stepper"], "must be a picture that Pillow reads"),
        (["--size", "none"], "size=none is not valid"),
        (["--what"], "unrecognized arguments"),
    ],
)
def test_a_mistake_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    out = tmp_path / "page.html"
    assert run(monkeypatch, *words, "--out", str(out)) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert not out.exists()


def test_a_folder_is_no_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--only", "sampling", "--out", str(tmp_path)) == 2
    assert "it is a folder" in capsys.readouterr().err


def test_a_process_that_dies_is_one_line_and_no_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def dies(*_: object) -> None:
        raise BrokenProcessPool("planted")

    monkeypatch.setattr(building, "judged", dies)
    out = tmp_path / "page.html"
    assert run(monkeypatch, "--only", "board", "--out", str(out)) == 1
    assert capsys.readouterr().err == "error: planted\n"
    assert not out.exists()


def saved(folder: Path, values: object, **settings: object) -> Path:
    """A picture file."""
    path = folder / "picture.png"
    Image.fromarray(np.asarray(values)).save(path, **settings)
    return path


class TestImages:
    def test_grey(self, tmp_path: Path) -> None:
        found = reader_image(saved(tmp_path, np.array([[0, 255], [255, 0]], np.uint8)), 2)
        assert found[..., 0].tolist() == [[0, 1], [1, 0]]

    def test_colour_is_made_grey(self, tmp_path: Path) -> None:
        found = reader_image(saved(tmp_path, np.full((2, 2, 3), (255, 0, 0), np.uint8)), 2)
        assert found.max() == pytest.approx(0.299, abs=0.01)

    def test_sixteen_bits_keep_their_range(self, tmp_path: Path) -> None:
        path = tmp_path / "deep.png"
        Image.fromarray(np.array([[0, 65535], [32768, 0]], np.uint16)).save(path)
        assert reader_image(path, 2)[..., 0].ravel() == pytest.approx([0, 1, 0.5, 0], abs=0.01)

    def test_a_wide_picture_keeps_its_aspect_on_black(self, tmp_path: Path) -> None:
        found = reader_image(saved(tmp_path, np.full((4, 8), 255, np.uint8)), 8)[..., 0]
        assert (found.sum(1) > 0).tolist() == [False, False, True, True, True, True, False, False]

    def test_a_camera_that_was_turned(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6  # turned by a quarter
        values = np.array([[255, 255], [0, 0]], np.uint8)
        assert reader_image(saved(tmp_path, values, exif=exif), 2)[..., 0].tolist() == [[0, 1], [0, 1]]

    def test_a_thin_picture_keeps_a_pixel(self, tmp_path: Path) -> None:
        assert reader_image(saved(tmp_path, np.full((400, 1), 255, np.uint8)), 8).sum() == 8

    def test_text_is_no_picture(self, tmp_path: Path) -> None:
        path = tmp_path / "text.png"
        path.write_text("not a picture")
        with pytest.raises(UsageError, match="must be a picture"):
            reader_image(path, 8)
