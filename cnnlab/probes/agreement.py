"""Compare two sources for receptive fields: geometry's formulas, and gradients of the running net."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from cnnlab.geometry.fields import AlignmentError, Field, fields
from cnnlab.geometry.layers import MERGES
from cnnlab.probes.sight import MeasuredField, measured_fields
from cnnlab.probes.skeleton import opened, spatial
from cnnlab.spec.invalid import require_choice
from cnnlab.spec.network import Network, Pair


@dataclass(frozen=True, kw_only=True)
class AgreementRow:
    """Formula and measurement of one node; None where the paths into a merge are not aligned."""

    name: str
    formula: MeasuredField | None
    measured: MeasuredField | None

    @property
    def agree(self) -> bool:
        """Whether both say the same, to the pixel."""
        return self.formula == self.measured


def agreement(network: Network, size: Pair, names: Sequence[str] = ()) -> tuple[AgreementRow, ...]:
    """Compare formula and measurement of every node whose units have a window of their own.

    Nodes behind a merge that geometry calls misaligned have no field by its definition and no row.

    Args:
        network: the graph; the zoo must be able to run it.
        size: (height, width) of the image.
        names: only these nodes, which saves time; empty for all. `telling` names those that tell most.

    Raises:
        InvalidError: no such node, or as `cnnlab.geometry.sizes.sizes`.
    """
    formulas = _formulas(network, size)
    for name in names:
        require_choice("node", name, formulas)
    wanted = [name for name in formulas if name in names or not names]
    refused = [name for name in wanted if formulas[name] is None]
    whole: Network = network
    paths: dict[str, tuple[str, ...]] = {name: () for name in wanted if name not in refused}
    for name in paths:
        if isinstance(network[name], MERGES):
            whole, paths[name] = opened(whole, name)
    asked = (*paths, *(path for of in paths.values() for path in of))
    found = measured_fields(whole, size, asked) if asked else {}
    rows = [
        AgreementRow(
            name=name, formula=formulas[name], measured=found[name] if aligned([found[path] for path in of]) else None
        )
        for name, of in paths.items()
    ]
    return *rows, *(AgreementRow(name=name, formula=None, measured=_refused(network, size, name)) for name in refused)


def telling(network: Network, size: Pair) -> list[str]:
    """Name the nodes that tell most: merges, and the last map, of those whose units have a window of their own."""
    formulas = _formulas(network, size)
    merges = [name for name in formulas if isinstance(network[name], MERGES)]
    last = network.features if network.features in formulas else list(formulas)[-1]
    return list(dict.fromkeys([*merges, last]))


def aligned(paths: Sequence[MeasuredField]) -> bool:
    """Tell whether the paths into a merge, by what each of its inputs sees, agree in stride and centre."""
    return all((one.stride, one.centre) == (other.stride, other.centre) for one, other in pairwise(paths))


def _refused(network: Network, size: Pair, merge: str) -> MeasuredField | None:
    """Measure a merge that geometry calls misaligned; None if its paths are misaligned to the gradient, too."""
    inputs = measured_fields(network, size, network[merge].inputs)
    if len({seen.stride for seen in inputs.values()}) > 1:
        # on the larger image that the measurement needs, such maps differ in size: there is nothing to run
        return None
    whole, paths = opened(network, merge)
    found = measured_fields(whole, size, (merge, *paths))
    return found[merge] if aligned([found[path] for path in paths]) else None


def _formulas(network: Network, size: Pair) -> dict[str, MeasuredField | None]:
    """Geometry's word on every node with a window, up to the first misaligned merge, which is None."""
    names = spatial(network)
    try:
        found = fields(network, size).items()
        return {name: _as_seen(field) for name, field in found if name in names and not any(field.axes)}
    except AlignmentError as problem:
        places = [node.name for node in network.nodes]
        before = network.nodes[: places.index(problem.merge)]
        part = Network(nodes=before, output=before[-1].name, features=before[-1].name, size=network.size)
        return {**_formulas(part, size), problem.merge: None}


def _as_seen(field: Field) -> MeasuredField:
    """Take over what geometry found; with a known image size nothing of it is open."""
    (high, wide), stride = field.padding, field.stride
    assert field.rf is not None, "known where the image size is"
    assert stride is not None, "the node has windows of its own"
    assert high is not None, "known where the image size is"
    assert wide is not None, "known where the image size is"
    return MeasuredField(rf=field.rf, stride=stride, padding=(high, wide))
