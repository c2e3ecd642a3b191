"""The command writes one page, and tells a mistake in one line."""

import json
import os
import sys
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnlab.files import write_bytes
from experiments.cli.errors import UsageError
from experiments.page import building
from experiments.page.member import reader_image
from experiments.report import main

from .conftest import page_data

pytestmark = pytest.mark.slow


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Call the door as the command line does."""
    monkeypatch.setattr(sys, "argv", ["report", *words])
    return main()


def test_the_page_is_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--only", "sampling", "--results", str(tmp_path)) == 0
    assert ", 1 view\n" in capsys.readouterr().out
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


SOMEBODYS = """
from flax import nnx
import jax.numpy as jnp


class Block(nnx.Module):
    def __init__(self, channels, out, stride, rngs):
        self.first = nnx.Conv(channels, out, (3, 3), strides=stride, use_bias=False, rngs=rngs)
        self.norm = nnx.BatchNorm(out, rngs=rngs)
        self.second = nnx.Conv(out, out, (3, 3), rngs=rngs)
        self.short = nnx.Conv(channels, out, (1, 1), strides=stride, rngs=rngs)

    def __call__(self, x):
        return nnx.relu(self.second(nnx.relu(self.norm(self.first(x)))) + self.short(x))


class Net(nnx.Module):
    def __init__(self, rngs):
        self.stem = nnx.Conv(3, 8, (7, 7), strides=2, rngs=rngs)
        self.blocks = nnx.List([Block(8, 8, 1, rngs), Block(8, 16, 2, rngs)])
        self.drop = nnx.Dropout(0.1, rngs=rngs)
        self.head = nnx.Linear(16, 5, rngs=rngs)

    def __call__(self, x):
        x = nnx.max_pool(nnx.gelu(self.stem(x)), (3, 3), (2, 2), padding="SAME")
        for block in self.blocks:
            x = block(x)
        return self.head(self.drop(jnp.mean(x, axis=(1, 2))))


def make(rngs):
    net = Net(rngs)
    net.eval()
    return net
"""
"""A small residual net as somebody would write it, with a norm, a dropout and paths that meet."""


def test_a_net_written_by_someone_else_is_shown_with_its_fields_and_costs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "somebodys_net.py").write_text(SOMEBODYS)
    monkeypatch.syspath_prepend(str(tmp_path))
    out = tmp_path / "page.html"
    words = ["--only", "field,cost", "--fast", "--module", "somebodys_net:make", "--size", "33", "--out", str(out)]
    assert run(monkeypatch, *words) == 0
    page = out.read_text()
    convs = 7 * 7 * 3 * 8 + 8 + 2 * 0
    convs += 3 * 3 * 8 * 8 + 2 * 8 + 3 * 3 * 8 * 8 + 8 + 8 * 8 + 8
    convs += 3 * 3 * 8 * 16 + 2 * 16 + 3 * 3 * 16 * 16 + 16 + 8 * 16 + 16
    assert f"{convs + 16 * 5 + 5:,}" in page  # parameters, counted by hand
    assert "conv 7x7, stride 2" in page
    assert "somebodys_net:make on 33x33x3 images" in page


def photograph(folder: Path) -> Path:
    """A picture as a camera makes it: colour, not square, turned, as JPEG."""
    across, down = np.meshgrid(np.linspace(0, 255, 640), np.linspace(0, 255, 400))
    exif = Image.Exif()
    exif[0x0112] = 6
    path = folder / "photograph.jpg"
    Image.fromarray(np.stack([across, down, 255 - across], -1).astype(np.uint8)).save(path, exif=exif, quality=90)
    return path


def test_photographs_stand_first_among_the_images(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out, path = tmp_path / "page.html", photograph(tmp_path)
    other = saved(tmp_path, np.full((3, 3), 200, np.uint8))
    words = ["--only", "shift", "--fast", "--images", str(path), str(other), "--results", str(tmp_path)]
    assert run(monkeypatch, *words, "--out", str(out)) == 0
    for member in page_data(out.read_text())["members"]:
        assert member["images"][:3] == ["photograph.jpg", "picture.png", "digit 0"]
        assert member["labels"][:2] == [None, None]
        assert len(member["shifted"]["answers"][0]) == 144


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
        (["--images", "/no/such.png", "/no/other.png", "--only", "stepper"], "must be a picture that Pillow reads"),
        (["--seed", "7", "--only", "shift"], "--seed 7 is not valid here: no trained net is shown"),
        (["--seed", "x"], "invalid int value"),
        (["--seed", "2001", "--fast"], "--seed 2001 is not valid with --fast"),
        (["--weights", "/no/such.npz", "--only", "shift"], "--weights /no/such.npz is not valid here: no trained"),
        (["--size", "none"], "size=none is not valid"),
        (["--what"], "unrecognized arguments"),
        (["--size", "32", "--only", "field"], "--size is not valid here: only --module or a file reads it"),
        (["--channels", "1", "--net", "vgg16", "--only", "field"], "--channels is not valid here"),
        (["--net", "vgg16", "--only", "stepper"], "--net is not valid here: only a view of nets reads it"),
        (["--image", "/no/such.png", "--only", "cost"], "--image is not valid here"),
        (["--weights", "/no/such.npz", "--only", "cost"], "--weights is not valid here"),
        (["--seed", "2000", "--only", "cost"], "--seed is not valid here"),
        (["scale=smoke", "--only", "cost"], "scale=smoke is not valid here: only a view of records reads it"),
        (["pool_position"], "pool_position is not valid: words say with what records were made"),
        (["+sweep=pool_position"], "+sweep=pool_position is not valid: words say"),
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


def test_a_pipe_or_a_device_is_no_page_and_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As root, a rename would put the page in place of /dev/full."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert run(monkeypatch, "--only", "sampling", "--fast", "--out", str(pipe)) == 2
    assert "it is a device or a pipe" in capsys.readouterr().err
    with pytest.raises(FileExistsError, match="is a device or a pipe"):
        write_bytes(pipe, b"")
    assert pipe.is_fifo()


def test_a_process_that_dies_is_one_line_and_no_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def dies(*_: object) -> None:
        raise BrokenProcessPool("planted")

    monkeypatch.setattr(building, "found_views", dies)
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
