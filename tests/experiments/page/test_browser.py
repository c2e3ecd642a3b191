"""The page in a browser without a network: what its scripts show is what Python computed."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from cnnlab.spec.network import Conv
from experiments.page.member_data import member_data, steps
from experiments.page.reaching import layout
from experiments.page.view import Context, views
from experiments.page.views import field
from experiments.page.views.sampling import keys, table

pytestmark = pytest.mark.slow

ROUTES = (
    *views(),
    "claim-cov-table",
    "cost?a=2&b=0",
    "features?wall=act4",
    "shift?net=2&down=3&right=4",
    "field?net=1&size=13&layer=4&row=2&column=3&pixel=3,4",
    "stepper?net=1&layer=3",
)
Opener = Callable[..., Any]


@pytest.fixture
def tab(browser: Any, opened: Path) -> Iterator[Opener]:
    """Opens the page at a route, offline; fails where it says or asks for anything."""
    contexts: list[Any] = []
    heard: list[str] = []

    def open_at(route: str, **settings: Any) -> Any:
        made = browser.new_context(offline=True, **{"viewport": {"width": 1280, "height": 800}, **settings})
        contexts.append(made)
        page = made.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("request", lambda request: heard.append(request.url) if not request.url.startswith("file:") else None)
        page.goto(f"{opened.as_uri()}#{route}")
        if settings.get("java_script_enabled", True):
            page.wait_for_function("drawn.section")  # the data are unpacked, and the view is drawn
        return page

    yield open_at
    for one in contexts:
        one.close()
    assert heard == []


def follow(page: Any, route: str) -> None:
    """Go to another address of the page, and wait until it is drawn."""
    page.evaluate(
        "(route) => new Promise((done) => { if (location.hash === `#${route}`) return done(); "
        "addEventListener('hashchange', () => setTimeout(done), { once: true }); location.hash = route; })",
        route,
    )


def sideways(page: Any) -> int:
    """Pixels that the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("width", [390, 1280])
def test_every_route_shows_one_view_without_sideways_scroll(tab: Opener, route: str, width: int) -> None:
    page = tab(route, viewport={"width": width, "height": 800}, color_scheme="dark" if width == 390 else "light")
    shown = [one.get_attribute("id") for one in page.locator("section.view").all() if one.is_visible()]
    assert shown == ["board" if route.startswith("claim") else route.split("?")[0]]
    assert sideways(page) == 0


def test_a_planted_wide_element_is_found(tab: Opener) -> None:
    page = tab("sampling")
    page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<p style=\"width: 2000px\">a</p>')")
    page.evaluate("document.querySelector('main > p').style.maxWidth = 'none'")
    assert sideways(page) > 0


def test_without_scripts_all_claims_and_all_views_stand_there(tab: Opener) -> None:
    page = tab("board", java_script_enabled=False)
    assert page.locator("table.board tbody tr").count() == 57
    assert all(one.is_visible() for one in page.locator("section.view").all())
    assert not any(one.is_visible() for one in page.locator(".controls").all())
    assert page.locator("article").first.is_visible()
    for name in ("features", "health", "shift", "cost", "method"):
        assert all(one.is_visible() for one in page.locator(f"#{name} h2").all())
        assert page.locator(f"#{name} table").count()


def test_an_address_restores_its_state_and_moving_changes_it(tab: Opener) -> None:
    page = tab("sampling?n=7&k=2&p=0")
    assert page.locator("#sampling-n").input_value() == "7"
    assert page.locator("#sampling-p").input_value() == "0"
    page.locator("#sampling-k").fill("3")
    assert "k=" not in page.url  # the default needs no word
    page.locator("#sampling-s").fill("3")
    assert "s=3" in page.url
    assert "at the end no window reaches" in page.locator("#sampling [data-place=formula]").inner_text()


@pytest.mark.parametrize(
    ("route", "focus", "key", "expected"),
    [
        ("stepper", "output", "ArrowRight", "column=7"),
        ("stepper", "input", "ArrowUp", "row=5"),
        ("field", "units", "ArrowDown", "row=2"),
        ("field", "image", "ArrowRight", "pixel=6%2C6"),
        ("sampling", "line", "ArrowRight", "unit=2"),
        ("sampling", "plane", "ArrowLeft", "unit=0"),
        ("shift", "shifts", "ArrowDown", "down=1"),
        ("shift", "shifts", "ArrowLeft", "right=11"),
    ],
)
def test_arrow_keys_move_and_keep_the_focus(tab: Opener, route: str, focus: str, key: str, expected: str) -> None:
    page = tab(route)
    target = f"#{route} [data-focus={focus}]"
    page.locator(target).focus()
    page.keyboard.press(key)
    assert expected in page.url
    assert page.evaluate("document.activeElement.dataset.focus") == focus


def test_every_control_and_picture_has_a_name(tab: Opener) -> None:
    page = tab("board")
    for name in views():
        follow(page, name)
        for one in page.locator(f"#{name} select, #{name} input").all():
            assert page.locator(f"label[for={one.get_attribute('id')}]").count() == 1
        for one in page.locator(f"#{name} svg[role=img]").all():
            assert one.get_attribute("aria-label")


SUMS = """([image, layer, places]) => {
  const member = DATA.members[MEMBER], step = member.steps[layer];
  return places.map(([row, column, channel]) => {
    const found = stepperStep(member, image, step, channel, row, column);
    return [found.total, found.net, found.after];
  });
}"""


@pytest.mark.parametrize("which", [0, 1, 2])
def test_sums_on_the_page_are_the_nets_own_numbers(tab: Opener, context: Context, which: int) -> None:
    page, member, checked = tab("stepper"), context.members[which], 0
    behind = {one["name"]: one["then"] for one in member_data(member)["steps"]}
    for layer, node in enumerate(steps(member.network)):
        made = member.maps[node.name]
        _, height, width, channels = made.shape
        places = [[r, c, (3 * r + c) % channels] for r in range(height) for c in range(width)]
        for image in (0, 3):
            found = page.evaluate(SUMS.replace("MEMBER", str(which)), [image, layer, places])
            for (row, column, channel), (total, net, after) in zip(places, found, strict=True):
                own = float(made[image, row, column, channel])
                assert abs(total - own) <= 1e-3 * max(1, abs(own))
                assert abs(net - own) <= 1e-3 * max(1, abs(own))
                if behind[node.name] is not None:
                    own = float(member.maps[behind[node.name]][image, row, column, channel])
                    assert abs(after - own) <= 1e-3 * max(1, abs(own))
                checked += 1
    assert checked >= 300


def test_a_changed_weight_would_be_found(tab: Opener, context: Context) -> None:
    page = tab("stepper")
    assert isinstance(steps(context.members[0].network)[0], Conv)
    page.evaluate("DATA.members[0].weights.conv1.kernel.whole[0] += 20000")
    missed = page.evaluate(
        "[...Array(12).keys()].map((row) => { const one = stepperStep(DATA.members[0], 0, DATA.members[0].steps[0], 0, "
        "row, 6); return Math.abs(one.total - one.net); })"
    )
    assert max(missed) > 0.1
    page.evaluate("show()")


def test_windows_on_the_page_are_geometrys(tab: Opener, context: Context) -> None:
    page, checked = tab("field"), 0
    for place, subject in enumerate(context.networks):
        for side in (8, 12, 13):
            found = layout(subject.network, (side, side))
            for layer, node in enumerate(field.shown(subject.network)):
                seen = found.seen[node.name][0]
                if seen.reach is None:
                    continue
                row = f"DATA.field.nets[{place}].at[{side}].rows[{layer}]"
                shown = page.evaluate(f"[...Array({seen.length}).keys()].map((unit) => fieldWindow({row}, unit))")
                assert [tuple(one) for one in shown] == [seen.window(unit) for unit in range(seen.length)]
                units = page.evaluate(f"fieldUnits({row}, 3)")
                seeing = [u for u in range(seen.length) if (w := seen.window(u)) and w[0] <= 3 <= w[1]]
                assert units == ([seeing[0], seeing[-1]] if seeing else None)
                checked += 1
    assert checked > 60


def test_counts_on_the_page_are_those_of_the_windows_that_it_draws(tab: Opener) -> None:
    page, every, whole = tab("sampling"), keys(), table()
    chosen = [place for place in range(0, len(every), 11) if not isinstance(whole["entries"][place], int)]
    script = """(settings) => settings.map(([mode, n, k, s, p, d]) => {
      const found = samplingLookup(DATA.sampling, mode, n, k, s, p, d), rows = samplingRows(found, mode, n);
      let counts = Array(rows.lengths.at(-1)).fill(1);
      for (let row = rows.lows.length - 1; row >= 0; row -= 1) {
        const below = Array(rows.lengths[row]).fill(0);
        const one = { lengths: [rows.lengths[row], 1], lows: [rows.lows[row]] };
        counts.forEach((count, unit) => {
          const [first, last] = samplingCone(one, k, s, unit)[0];
          for (let at = first; at <= last; at += 1) if (at >= 0 && at < below.length) below[at] += count;
        });
        counts = below;
      }
      return [found.counts, counts];
    })"""
    for told, drawn in page.evaluate(script, [list(every[place]) for place in chosen]):
        assert told == drawn
    assert len(chosen) > 700


def test_the_board_filters_sorts_and_opens_a_claim(tab: Opener) -> None:
    page = tab("board")
    page.locator("#board-word").select_option("refuted")
    assert page.locator("table.board tbody tr:visible").count() == 10
    page.locator("#board-word").select_option("")
    page.locator("#board-sort").select_option("size")
    sizes = [float(one.get_attribute("data-size")) for one in page.locator("table.board tbody tr").all()]
    assert sizes == sorted(sizes, reverse=True)
    page.locator("#board-find").fill("cov-table")
    assert page.locator("table.board tbody tr:visible").count() == 1
    page.locator("table.board tbody tr:visible a").click()
    page.locator("#claim-cov-table").wait_for()
    assert not page.locator("table.board").is_visible()
    page.locator("#claim-cov-table").get_by_text("All claims").click()
    page.locator("table.board").wait_for()


def test_a_figure_is_copied_as_csv(tab: Opener) -> None:
    page = tab("sampling?n=7&k=2&p=0")
    csv = page.evaluate("asCsv(document.querySelector('#sampling [data-place=counts]').closest('figure'))")
    assert csv.splitlines() == ['"Times","Pixels","Share"', '"0","13","26.5 %"', '"1","36","73.5 %"']


@pytest.mark.parametrize(
    "route", ["claim-mp-after-two-convs", "network", "stepper", "field", "sampling", "checkerboard", "shift", "health"]
)
def test_a_copied_picture_stands_on_its_own(tab: Opener, route: str) -> None:
    page = tab(route)
    copies = page.evaluate(
        "[...document.querySelectorAll('section:not([hidden]) figure')].filter((one) => one.offsetParent && "
        "one.querySelector('[data-svg] svg')).map(asSvg)"
    )
    assert copies
    for copy in copies:
        assert copy.startswith("<svg")
        assert 'xmlns="http://www.w3.org/2000/svg"' in copy
        assert "rgb(" in copy
        assert not re.search("var\\(|style=|class=", copy)
        ElementTree.fromstring(copy)


CONTRAST = """() => {
  const luminance = (colour) => {
    const [r, g, b] = plainColour(colour).match(/\\d+/g).map((part) => part / 255)
      .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (plainColour(colour) !== "none") return colour;
    }
    return "white";
  };
  const found = [];
  for (const numeral of document.querySelectorAll("section:not([hidden]) text.numeral")) {
    const cell = numeral.previousElementSibling;
    if (!cell || !cell.matches(".cell, .signed")) continue;
    found.push(ratio(getComputedStyle(numeral).fill, getComputedStyle(cell).fill));
  }
  const texts = "p, td, th, a, h1, h2, h3, figcaption, label, output, button, dt, dd, summary, .word, .lamp";
  for (const text of document.querySelectorAll(texts)) {
    if (text.offsetParent && text.textContent.trim()) found.push(ratio(getComputedStyle(text).color, behind(text)));
  }
  return [Math.min(...found), found.length];
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    "route",
    [
        "board",
        "claim-mp-after-two-convs",
        "network",
        "stepper?layer=1",
        "field",
        "checkerboard?d=2",
        "sampling?d=3&k=4&n=14",
        "features",
        "health",
        "shift?net=2",
        "cost",
        "method",
    ],
)
def test_every_text_stands_out(tab: Opener, route: str, theme: str) -> None:
    page = tab(route, color_scheme=theme)
    least, checked = page.evaluate(CONTRAST)
    assert checked > 20
    assert least >= 4.5


def test_a_planted_faint_text_is_found(tab: Opener) -> None:
    page = tab("sampling")
    page.evaluate("document.querySelector('#sampling .finding').style.color = '#aaaaaa'")
    assert page.evaluate(CONTRAST)[0] < 3


def test_every_channel_has_a_tile_that_opens_it_and_leads_to_its_sums(tab: Opener, context: Context) -> None:
    page, member = tab("network"), context.members[0]
    channels = sum(made.shape[3] for made in member.maps.values() if made.ndim == 4)
    assert page.locator("#network [data-place=layers] .tile").count() == channels
    page.get_by_label("conv3, channel 5", exact=True).click()
    assert page.locator("#network [data-place=chosen-title]").inner_text() == "conv3, channel 5"
    page.get_by_text("Step through this map").click()
    page.locator("#stepper").wait_for()
    assert "conv3, channel 5" in page.locator("#stepper [data-place=formula]").inner_text()


def test_a_menu_shows_what_belongs_to_its_choice_and_nothing_else(tab: Opener) -> None:
    page = tab("features")
    titles = ["Classes", "Channels of act2", "Channels of act4"]
    for value, title in zip(("classes", "act2", "act4"), titles, strict=True):
        page.locator("#features-wall").select_option(value)
        assert [one for one in titles if page.get_by_role("heading", name=one, exact=True).is_visible()] == [title]
    assert "wall=act4" in page.url


def test_two_nets_stand_side_by_side(tab: Opener, context: Context) -> None:
    page = tab("cost?a=2&b=0")
    nets = [subject.title for subject in context.networks]
    shown = [title for title in nets if page.get_by_role("heading", name=title, exact=True).is_visible()]
    assert shown == [nets[0], nets[2]]
    page.locator("#cost-a").select_option("0")
    shown = [title for title in nets if page.get_by_role("heading", name=title, exact=True).is_visible()]
    assert shown == [nets[0]]


def test_answers_under_shifts_are_those_that_python_counted(tab: Opener, context: Context) -> None:
    page = tab("shift")
    for place, member in enumerate(context.members):
        answers = member.shifted.argmax(-1)
        for image, down, right in ((0, 0, 0), (1, 5, 0), (2, 0, 7), (3, 11, 11)):
            follow(page, f"shift?net={place}&image={image}&down={down}&right={right}")
            told = page.locator("#shift [data-place=told]").inner_text()
            assert f"unmoved the answer is {answers[image, 0, 0]};" in told
            assert f"it is {answers[image, down, right]}." in told
            kept = int((answers[image] == answers[image, 0, 0]).sum()) - 1
            assert f"stays under {kept} of {answers[image].size - 1} shifts" in told


def test_the_strongest_images_and_the_saliency_stand_beside_the_maps(tab: Opener, context: Context) -> None:
    page, survey = tab("network?layer=act2&channel=3"), context.members[0].survey
    assert survey is not None
    tops = page.locator("#network [data-place=tops] svg")
    values = [top.value for top in survey.tops["act2"][3]]
    assert tops.count() == len(values)
    for one, value in zip(tops.all(), values, strict=True):
        assert f"Test image with {value:.3f}" in one.get_attribute("aria-label")
    names = [one.inner_text() for one in page.locator("#network [data-place=saliency] .note").all()]
    assert names == ["input", "gradient", "integrated"]
    follow(page, "network?net=1")
    assert "No test images for this net" in page.locator("#network [data-place=tops-caption]").inner_text()


def test_the_printed_page_has_no_controls(tab: Opener) -> None:
    page = tab("method")
    page.emulate_media(media="print")
    assert not any(one.is_visible() for one in page.locator(".controls, .copies, .top").all())
    assert page.locator("#method h2").first.is_visible()


def test_an_answer_is_told_right_or_wrong(tab: Opener, context: Context) -> None:
    page, member = tab("network"), context.members[0]
    for place, image in enumerate(member.images):
        follow(page, f"network?image={place}")
        best = int(member.maps["logits"][place].argmax())
        told = page.locator("#network [data-place=told]").inner_text()
        assert f"answers {best} " in told
        assert ("✓ right" in told) is (best == image.label)
