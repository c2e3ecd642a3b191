"""The W&B workspace as code: sections by question, drawn from the names under which arms and sweeps are mirrored."""

import json
from typing import TYPE_CHECKING, Any, Final

from cnnlab.spec.arm import digest
from cnnlab.tracking.series import AXIS

if TYPE_CHECKING:
    from wandb_workspaces.reports.v2.interface import LinePlot
    from wandb_workspaces.workspaces import Section, Workspace

BAND: Final = "stderr"
"""Half a band, over the runs of a group: with `tracker.unit=seed` over the members of an arm."""

ARM = "label"
"""The key of a run's config by which curves are grouped: task, level, match."""


RATES = "curves"
"""The table of the sweeps' summary runs with a row an arm and learning rate."""
FINAL = "final/test_accuracy/mean"


def workspace(*, entity: str, project: str, group: str = "") -> "Workspace":
    """The workspace of a project; of one sweep's runs if `group` names it.

    The same project and group give the same view, so that saving it again replaces it.
    """
    from wandb_workspaces import expr
    from wandb_workspaces.workspaces import RunsetSettings, Workspace, WorkspaceSettings

    filters = [expr.Metric("Group") == group] if group else []
    made = Workspace(
        entity=entity,
        project=project,
        name=f"cnnlab: {group or 'all sweeps'}",
        sections=[accuracy(), gradients(), costs(), verdicts(), pictures()],
        settings=WorkspaceSettings(x_axis=AXIS, max_runs=100),
        runset_settings=RunsetSettings(
            filters=filters,
            order=[expr.Ordering(expr.Metric("Name"), ascending=True)],
            pinned_columns=[f"summary:{FINAL}", "config:task.name", "config:match"],
        ),
    )
    made._internal_name = f"nw-{digest([project, group])[:11]}-v"
    return made


def spec(made: "Workspace") -> dict[str, Any]:
    """What the server would be sent, as plain data."""
    content: dict[str, Any] = json.loads(made._to_model().spec.model_dump_json(by_alias=True, exclude_none=True))
    return content


def accuracy() -> "Section":
    """Panels of accuracy by level of the factor."""
    from wandb_workspaces.reports.v2.interface import BarPlot, Config, WeavePanelSummaryTable

    final = BarPlot(
        title="Test accuracy where members are read",
        metrics=[FINAL],
        groupby=Config(ARM),
        groupby_aggfunc="mean",
        groupby_rangefunc=BAND,
    )
    curves = [_curves("Validation accuracy", "accuracy/validation"), _curves("Training loss", "loss/train", log=True)]
    return _section("Accuracy by factor level", [final, WeavePanelSummaryTable(table_name=RATES), *curves])


def gradients() -> "Section":
    """Panels of gradient statistics by layer and step."""
    titles = {
        "Gradient norm by layer": "^grad_norm/.*/kernel$",
        "Gradient norm at layer outputs": "^activation_grad_norm/",
        "Update to weight ratio": "^update_to_weight/",
    }
    shares = {"Saturated units": "^saturated_fraction/", "Dead units": "^dead_fraction/"}
    panels = [_layers(title, pattern, log=True) for title, pattern in titles.items()]
    return _section("Gradients by layer and step", [*panels, *(_layers(*item) for item in shares.items())])


def costs() -> "Section":
    """Panels of cost against accuracy."""
    from wandb_workspaces.reports.v2.interface import ScatterPlot, SummaryMetric

    prices = {
        "Multiply-accumulates": "geometry/macs",
        "Parameters": "geometry/params",
        "Activations": "geometry/activation_elements",
    }
    panels = [
        ScatterPlot(title=f"{title} against accuracy", x=SummaryMetric(name), y=SummaryMetric(FINAL), log_x=True)
        for title, name in prices.items()
    ]
    return _section("Cost against accuracy", panels)


def verdicts() -> "Section":
    """Panels of verdicts: tables and figures of the sweeps' summary runs."""
    from wandb_workspaces.reports.v2.interface import MediaBrowser, WeavePanelSummaryTable

    tables = [
        WeavePanelSummaryTable(table_name=name) for name in ("verdicts", "contrasts", "effects", "checks", "arms")
    ]
    figure = MediaBrowser(title="Curves, members and ratios of errors", media_keys=["figure/effects"], num_columns=1)
    return _section("Verdicts", [*tables, figure])


def pictures() -> "Section":
    """Panels of pictures: samples, coverage, gradients by pixel."""
    from wandb_workspaces.reports.v2.interface import MediaBrowser

    keys = {
        "Coverage and gradient by level": "figure/maps",
        "How often each pixel is read": "image/coverage",
        "Samples": "image/samples",
    }
    return _section("Pictures", [MediaBrowser(title=title, media_keys=[key]) for title, key in keys.items()])


def _section(name: str, panels: list[Any]) -> "Section":
    from wandb_workspaces.workspaces import Section

    return Section(name=name, panels=panels, is_open=True)


def _curves(title: str, name: str, *, log: bool = False) -> "LinePlot":
    """One series over images seen: a line an arm, and a band."""
    from wandb_workspaces.reports.v2.interface import Config, LinePlot

    return LinePlot(
        title=title, x=AXIS, y=[name], log_y=log, groupby=Config(ARM), groupby_aggfunc="mean", groupby_rangefunc=BAND
    )


def _layers(title: str, pattern: str, log: bool = False) -> "LinePlot":
    """The series of all layers over images seen: a line an arm and layer."""
    from wandb_workspaces.reports.v2.interface import Config, LinePlot

    return LinePlot(title=title, x=AXIS, metric_regex=pattern, log_y=log, groupby=Config(ARM), groupby_aggfunc="mean")
