"""Planted verdicts, a page built once, and a browser that has no network."""

import csv
import math
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from cnnlab.data import Split, digits
from cnnlab.probes.ascent.gate import Facts
from cnnlab.probes.ascent.move import Moves
from cnnlab.records import Store
from cnnlab.spec.curve import AtRate
from cnnlab.spec.verdict import WORDS, Call, Effect, Interval, Number, Setting, Table, Verdict
from cnnlab.zoo.module import Net
from experiments.analysis.results import SweepResults, view
from experiments.analysis.selection import relocated
from experiments.claims import __file__ as claims_room
from experiments.page.building import provenance
from experiments.page.document import document
from experiments.page.member import Member
from experiments.page.networks import suite
from experiments.page.statement import Statement
from experiments.page.survey import survey
from experiments.page.trials import Arm, Trial
from experiments.page.untrained import digit_images, members
from experiments.page.view import Context, choose_views
from experiments.page.views.health import steps
from experiments.training.feature_pictures import TRAINED, UNTRAINED, Asked, Drawn, Features, Kind

from ..conftest import Compose, Plant

REGISTER = Path(claims_room).parent / "register.csv"


def planted_effect(
    estimate: float, half: float, *, call: Call = "open", metric: str = "over_linear", margin: float = 0.34, n: int = 8
) -> Effect:
    """An effect whose interval is `estimate` +- `half`; both ends infinite where `half` is."""
    wide = Interval(low=estimate - half, high=estimate + half, level=0.95, kind="paired t")
    setting = Setting(
        task="digits12", real=True, construction="digits", margin=margin, headroom=0.2, metric=metric, contrast="early"
    )
    ratio = setting.ratio
    return Effect(
        setting=setting,
        seeds=tuple(range(1000, 1000 + n)),
        note="",
        mean=estimate,
        sd=half,
        estimate=estimate,
        interval95=wide,
        interval90=wide,
        p_greater=0.01,
        p_less=0.99,
        call=call,
        reason="too few pairs" if call == "open" else "",
        diverged_better=0,
        diverged_worse=1,
        diverged_p=1.0,
        smallest_detectable=math.inf if call == "open" else 0.2,
        points=0.031 if ratio else None,
        points95=Interval(low=0.01, high=0.052, level=0.95, kind="paired t") if ratio else None,
    )


def planted_verdicts() -> dict[str, Verdict]:
    """A verdict for every registered claim, of every word, with and without effects, infinite ends and tables."""
    calls: tuple[Call, ...] = ("pos", "neg", "null", "open")
    table = Table(title="planted table", columns=("size", "share"), rows=(("5x5", 11.1), ("7x7", 36)))
    found = {}
    for place, name in enumerate(statements()):
        effects = tuple(
            planted_effect((one - place % 3) * 0.4, 0.15 + 0.2 * one, call=calls[(place + one) % 4])
            for one in range(place % 5)
        )
        if place == 7:
            effects = (*effects, planted_effect(0.0, math.inf), planted_effect(0.03, 0.01, metric="probe", margin=0.0))
        found[name] = Verdict(
            word=WORDS[place % len(WORDS)],
            reason=f"planted reason {place}; and more of it",
            sentence=f"A planted sentence about {name}." if place % 2 else "",
            effects=effects,
            number=None if effects else Number(name="counterexamples", value=float(place), unit=""),
            n=None if effects else 186,
            counterexample="a planted counterexample" if place % 4 == 0 else None,
            nearest_true="what is true instead" if place % 4 == 1 else None,
            mechanism=place == 6,
            tables=(table,) if place % 6 == 0 else (),
        )
    return found


def planted_curve(best: float, *, members: int = 6, rates: int = 4) -> list[AtRate]:
    """Members near `best` at the second of the rates, worse away from it; all but one lost at the largest."""
    curve = []
    for place in range(rates):
        test = [round(best - 0.05 * abs(place - 1) + 0.007 * ((3 * member) % 5), 4) for member in range(members)]
        lost = tuple(place == rates - 1 and member > 0 for member in range(members))
        accuracy = tuple(0.1 if gone else value for gone, value in zip(lost, test, strict=True))
        loss = tuple(None if gone else 0.5 for gone in lost)
        curve.append(
            AtRate(
                learning_rate=0.01 * 2**place,
                validation_accuracy=accuracy,
                test_accuracy=accuracy,
                test_loss=loss,
                train_loss=loss,
                diverged=lost,
            )
        )
    return curve


def planted_trial() -> Trial:
    """Two arms of six members each, the first the better one."""
    seeds = tuple(range(1000, 1006))
    arms = (
        Arm(title="two before the first pool", better=True, seeds=seeds, curve=planted_curve(0.9)),
        Arm(title="one before the first pool", better=False, seeds=seeds, curve=planted_curve(0.88)),
    )
    return Trial(where="early on digits12", arms=arms)


def statements() -> dict[str, Statement]:
    """What the registered claims say, planted; one of them tries to end the page's script."""
    with REGISTER.open(newline="") as file:
        rows = list(csv.DictReader(file))
    hostile = "</script><script>document.title='broken'</script><!--"
    return {
        row["id"]: Statement(
            family=row["family"],
            kind=row["kind"],
            says=f"Claim {row['id']} says something{hostile if place == 3 else ''}.",
            notes="where it stands",
            rule=("the planted rule",),
        )
        for place, row in enumerate(rows)
    }


def planted_history(members: int, looks: int, layers: int) -> tuple[dict[str, Any], ...]:
    """Gradients that halve from layer to layer, and shares of dead units; one value is not finite."""
    found = []
    for member in range(members):
        stats: dict[str, Any] = {}
        for layer in range(1, layers + 1):
            norms: list[float | None] = [0.5**layer * (1 + 0.1 * member + 0.05 * look) for look in range(looks)]
            stats[f"activation_grad_norm/act{layer}"] = norms
            stats[f"dead_fraction/act{layer}"] = [0.05 * layer] * looks
        stats["activation_grad_norm/act1"][2] = None
        found.append({"images_seen": [64], "accuracy/validation": [0.5], "stats": stats})
    return tuple(found)


def planted_views(root: Path, composed: Any, plant: Any) -> dict[str, SweepResults]:
    """The sweep with a record of its first arm, watched along the way, and of no other."""
    plan = composed("pool_position", "smoke", "model.width=2")
    point = plan.points[0]
    made = plant(point, 0.9)
    looks = len(steps(made))
    probes = tuple({"linear_probe/head/accuracy": 0.8 + 0.01 * place} for place in range(len(made.members)))
    watched = replace(made, histories=planted_history(len(made.members), looks, 3), probes=probes)
    Store(root / "runs").write(watched, {"backend": "cpu", "processor": "planted processor"})
    return {"pool_position": view(relocated(plan, root))}


def planted_features() -> tuple[Features, ...]:
    """Pictures of noise for classes and channels of two layers, one of each kind refused."""
    draw = np.random.default_rng(0)
    facts = Facts(score=2.0, quantile=0.99, place=1.5, maximum=3.0, same=0.8, other=0.4, path=0.9, read=0.75, readers=2)

    def drawn(kind: Kind, unit: int, state: str) -> Drawn:
        return Drawn(
            kind=kind,
            unit=unit,
            state=state,
            facts=facts if kind == "class" else replace(facts, read=None, readers=0),
            refused="a planted refusal" if unit == 1 else "",
            before_activation=unit == 2 and kind == "channel",
            pictures=draw.normal(size=(2, 12, 12, 1)).astype(np.float32),
            best=draw.normal(size=(12, 12, 1)).astype(np.float32),
        )

    def wall(layer: str, kinds: tuple[Kind, ...]) -> Features:
        return Features(
            arm="planted-arm",
            asked=Asked(seeds=(2000, 2001, 2002)),
            layer=layer,
            path_layer="act1",
            members=tuple({"seed": seed, "sentence": f"member {seed}"} for seed in (2000, 2001, 2002)),
            moves=Moves(jitter=1),
            real=64,
            low=-1.0,
            high=2.0,
            drawn=tuple(
                drawn(kind, unit, state) for kind in kinds for state in (TRAINED, UNTRAINED) for unit in range(3)
            ),
        )

    return wall("act2", ("channel",)), wall("act4", ("class", "channel"))


def surveyed(member: Member) -> Member:
    """The member with a survey of some digits."""
    frozen = digits.frozen()
    images = digits.on_canvas(frozen)[..., None] / digits.BRIGHTEST
    some = Split(images[:96].astype(np.float32), frozen.labels[:96])
    module = Net(member.network, jax.random.key(0))
    run = jax.jit(lambda x: module(x)[1])
    found = survey(
        member.network,
        lambda shown: {name: np.asarray(one, np.float64) for name, one in run(shown.astype(np.float32)).items()},
        some,
        some,
    )
    return replace(member, survey=found)


def planted_context(views: dict[str, SweepResults]) -> Context:
    """A context with everything that is not trained, and planted verdicts, pictures and records."""
    first, *others = members(digit_images())
    return Context(
        networks=suite(fast=True),
        members=(surveyed(first), *others),
        features=planted_features(),
        views=views,
        provenance=provenance(views),
        verdicts=planted_verdicts(),
        statements=statements(),
        trials={"mp-after-two-convs": (planted_trial(),)},
        fast=True,
    )


@pytest.fixture(scope="session")
def context(tmp_path_factory: pytest.TempPathFactory, composed: Compose, plant: Plant) -> Context:
    """See `planted_context`."""
    return planted_context(planted_views(tmp_path_factory.mktemp("records"), composed, plant))


@pytest.fixture(scope="session")
def page(context: Context) -> bytes:
    """The whole page, built once."""
    return document(choose_views([]), context)


@pytest.fixture(scope="session")
def opened(page: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page as a file."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_bytes(page)
    return path


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as started:
        made = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()
