"""Read the layers of every listed architecture out of two public libraries, once, into two tables.

    python -m venv frozen && frozen/bin/pip install torch==2.13.0 torchvision==0.28.0 timm==1.0.31
    frozen/bin/python -m experiments.claims.surveys.freeze_layers

The suite itself needs none of the three: it reads the tables. No weights are downloaded; each net is built, one blank
image of its customary size goes through it, and every convolution and windowed pool is written down as it happens.

    layers.csv       one line a layer, in the order in which the forward pass reaches it
    timm_models.csv  one line a model of timm, whatever its year and kind: another question, shown beside
    frozen.json      the versions that were read, and how many lines came of it

Customary size: torchvision's crop for the first weights it published, timm's input size for the model's default
weights. Left out: whatever works on a map of 1 x 1 pixels (the gates of squeeze-and-excitation and the like: dense
layers by another name), and pools over the whole map.
"""

import csv
import importlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
LIBRARIES = ("torch", "torchvision", "timm")
POOLS = {"aten.max_pool2d_with_indices.default": "max", "aten.avg_pool2d.default": "avg"}
"""Windowed pools as PyTorch's dispatcher names them; others would be an error, not a gap (see `SourceError`)."""
CONVOLUTION = "aten.convolution.default"
IGNORED = ("aten.adaptive_avg_pool2d.default", "aten._adaptive_avg_pool2d.default", "aten.mean.dim")


class SourceError(Exception):
    """An operation that would have to be counted and is not understood."""


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """One line of layers.csv; sides in pixels (all maps and strides here are square)."""

    network: str
    kind: str
    kernel_h: int
    kernel_w: int
    stride: int
    dilation: int
    groups: int
    channels_in: int
    channels_out: int
    side_in: int
    side_out: int


def main() -> None:
    """Write the three files."""
    torch, _, timm = (importlib.import_module(name) for name in LIBRARIES)
    rows: list[LayerRow] = []
    with (FOLDER / "architectures.csv").open(newline="", encoding="utf-8") as file:
        for entry in csv.DictReader(file):
            net, side = built(entry["library"], entry["model"])
            rows.append(image(entry["name"], side))
            rows.extend(layers(torch, net, entry["name"], side))
    write(FOLDER / "layers.csv", [field.name for field in fields(LayerRow)], map(astuple, rows))
    models = [timm_model(timm, name) for name in timm.list_models()]
    write(FOLDER / "timm_models.csv", list(models[0]), (tuple(model.values()) for model in models))
    versions = {name: importlib.import_module(name).__version__.split("+")[0] for name in LIBRARIES}
    made = {"made_by": "python -m experiments.claims.surveys.freeze_layers", "versions": versions}
    counts = {"layers.csv": len(rows), "timm_models.csv": len(models)}
    (FOLDER / "frozen.json").write_text(json.dumps({**made, "lines": counts}, indent=1, sort_keys=True) + "\n")


def write(path: Path, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Write a table with a header."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def built(library: str, model: str) -> tuple[Any, int]:
    """A net without weights, and the side of its customary image."""
    if library == "timm":
        net = importlib.import_module("timm").create_model(model, pretrained=False)
        return net, int(net.pretrained_cfg["input_size"][-1])
    models = importlib.import_module("torchvision.models")
    more = {"init_weights": True, "aux_logits": False} if model in ("googlenet", "inception_v3") else {}
    net = models.get_model(model, weights=None, **more)
    if model == "googlenet":
        restore_five(net)
    first = next(iter(models.get_model_weights(model)))
    return net, int(first.transforms().crop_size[0])


def restore_five(net: Any) -> None:
    """Give GoogLeNet the 5x5 kernels of its paper, where torchvision has 3x3 for the sake of old weights."""
    nn = importlib.import_module("torch").nn
    for module in net.modules():
        if type(module).__name__ == "Inception":
            old = module.branch3[1].conv
            module.branch3[1].conv = nn.Conv2d(old.in_channels, old.out_channels, 5, padding=2, bias=False)


def image(network: str, side: int) -> LayerRow:
    """The line that says what goes in."""
    return LayerRow(
        network=network,
        kind="input",
        kernel_h=1,
        kernel_w=1,
        stride=1,
        dilation=1,
        groups=1,
        channels_in=3,
        channels_out=3,
        side_in=side,
        side_out=side,
    )


def layers(torch: Any, net: Any, network: str, side: int) -> list[LayerRow]:
    """Every convolution and windowed pool that one blank image meets. Raises SourceError for what cannot be told."""
    rows: list[LayerRow] = []
    learned = {weight.untyped_storage().data_ptr() for weight in net.parameters()}
    fixed = {buffer.untyped_storage().data_ptr() for buffer in net.buffers()}
    mode = importlib.import_module("torch.utils._python_dispatch").TorchDispatchMode

    class Watching(mode):  # type: ignore[misc, valid-type]
        def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = op(*args, **(kwargs or {}))
            if str(op) == CONVOLUTION:
                row = convolution(network, args, out, learned, fixed)
            elif str(op) in POOLS:
                row = pool(network, POOLS[str(op)], args, out)
            elif "conv" in str(op) or ("pool" in str(op) and str(op) not in IGNORED):
                raise SourceError(f"{network}: {op}")
            else:
                return out
            rows.extend([row] if row.side_in > 1 else [])
            return out

    net.eval()
    with torch.no_grad(), Watching():
        net(torch.zeros(1, 3, side, side))
    return rows


def convolution(network: str, args: Any, out: Any, learned: set[int], fixed: set[int]) -> LayerRow:
    """The line of a convolution: a blur where its kernel is not learned."""
    x, weight, _, stride, _, dilation, transposed, _, groups = args
    at = weight.untyped_storage().data_ptr()
    if at not in learned | fixed or transposed or len(set(dilation)) != 1:
        raise SourceError(f"{network}: a convolution whose weights are computed, or transposed, or dilated {dilation}")
    kind = "conv" if at in learned else "blur"
    return row(network, kind, x, out, tuple(weight.shape[2:]), stride, groups, dilation[0])


def pool(network: str, kind: str, args: Any, out: Any) -> LayerRow:
    """The line of a windowed pool."""
    kernel, stride = args[1], args[2] if len(args) > 2 and args[2] else args[1]
    return row(network, kind, args[0], out[0] if kind == "max" else out, tuple(kernel), stride, args[0].shape[1], 1)


def row(
    network: str, kind: str, x: Any, out: Any, kernel: Sequence[int], stride: Sequence[int], groups: int, dilation: int
) -> LayerRow:
    """A line from what went in and what came out. Raises SourceError where map or stride are not square."""
    strides, sides, outs = set(stride), set(x.shape[2:]), set(out.shape[2:])
    if any(len(each) != 1 for each in (strides, sides, outs)):
        raise SourceError(f"{network}: stride {stride} on {tuple(x.shape)}")
    high, wide = kernel[0], kernel[-1]
    return LayerRow(
        network=network,
        kind=kind,
        kernel_h=high,
        kernel_w=wide,
        stride=strides.pop(),
        dilation=dilation,
        groups=groups,
        channels_in=x.shape[1],
        channels_out=out.shape[1],
        side_in=sides.pop(),
        side_out=outs.pop(),
    )


def timm_model(timm: Any, name: str) -> dict[str, Any]:
    """What timm says of a model: input side, side of the last map, and the year of the paper its weights name."""
    found = asdict(timm.models.get_pretrained_cfg(name, allow_unregistered=False))
    papers = found["paper_ids"] if isinstance(found["paper_ids"], str) else ""
    numbered = papers.lower().startswith("arxiv:")
    return {
        "model": name,
        "module": timm.models.model_entrypoint(name).__module__.rsplit(".", 1)[-1],
        "side": found["input_size"][-1],
        "final_side": found["pool_size"][-1] if found["pool_size"] else "",
        "year": f"20{papers[6:8]}" if numbered else "",
    }


if __name__ == "__main__":
    main()
