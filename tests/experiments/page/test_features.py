"""Feature pictures stand beside their controls, and those that are refused say why instead."""

from dataclasses import replace

import pytest

from experiments.page.document import document
from experiments.page.view import Context, choose_views
from experiments.page.views.features import make, wall
from experiments.reports.features import CONTROL


def test_classes_come_first_then_every_layers_channels(context: Context) -> None:
    content = make(context)
    assert content is not None
    assert [one["id"] for one in content.static["walls"]] == ["classes", "act2", "act4"]
    assert all(len(one["units"]) == 3 for one in content.static["walls"])


def test_a_unit_has_both_starts_the_best_image_and_its_control(context: Context) -> None:
    unit = wall(context.features[0], "channel")["units"][0]
    assert [tile["name"] for tile in unit["tiles"]] == ["start 1", "start 2", "real", "untrained"]
    sources = [tile["src"] for tile in unit["tiles"]]
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert len(set(sources)) == 4


def test_a_refused_picture_is_not_there_and_says_why(context: Context) -> None:
    unit = wall(context.features[0], "channel")["units"][1]
    sources = {tile["name"]: tile["src"] for tile in unit["tiles"]}
    assert [name for name, source in sources.items() if not source] == ["start 1", "start 2", "untrained"]
    assert unit["why"] == "a planted refusal; untrained, a planted refusal"
    assert wall(context.features[0], "channel")["units"][0]["why"] == ""


def test_the_caption_has_net_layer_unit_seed_and_n_and_names_the_control(context: Context) -> None:
    told = wall(context.features[0], "channel")["units"][2]["caption"]
    for part in ("planted-arm", "member 2000", "channel 2 of act2", "64 real images", CONTROL, "before its activation"):
        assert part in told
    assert CONTROL not in wall(context.features[1], "class")["units"][0]["caption"]


def test_the_finding_counts_the_untrained_channels_that_pass(context: Context) -> None:
    content = make(context)
    assert content is not None
    assert "75 % of the class pictures" in content.finding
    assert "4 of 6 pass the gate" in content.finding
    shown = tuple(
        replace(one, drawn=tuple(replace(unit, refused="") for unit in one.drawn)) for one in context.features
    )
    other = make(replace(context, features=shown))
    assert other is not None
    assert "6 of 6 pass the gate" in other.finding


def test_without_pictures_the_view_is_left_out() -> None:
    assert make(Context()) is None


@pytest.mark.parametrize("name", ["features"])
def test_all_walls_stand_there_without_scripts(name: str, context: Context) -> None:
    page = document(choose_views([name]), context).decode()
    for title in ("Classes", "Channels of act2", "Channels of act4"):
        assert f"<h2>{title}</h2>" in page
    assert page.count('class="refused"') == 3 * 3
