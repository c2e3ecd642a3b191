"""How a verdict comes about, what it does not say, on what the records were made, and what the words mean."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from cnnlab.inference.checks import DISTINCT
from cnnlab.inference.effects import CALIBRATION, GENERATED_RATIO, RATIO_MARGIN
from cnnlab.spec.curve import FACTOR, MOST_RATES
from cnnlab.spec.record import PROTOCOL
from cnnlab.spec.verdict import HEADROOM, WORDS, Word
from experiments.page.view import Content, Context, Json, View

MEANING: Mapping[Word, str] = {
    "supported": "the rule holds, and what would make it fail was looked for",
    "refuted": "the opposite holds, or a counterexample is there",
    "qualified": "it holds under a condition that is named with it",
    "inconclusive": "the evidence does not decide; the reason says what is missing",
    "untested": "nothing was run or computed for it yet",
    "untestable": "no experiment of this suite could decide it",
}
STEPS = (
    "A claim is a file: a sentence, its place in the notes, the evidence it rests on, and a rule. It runs nothing. All "
    "ids were registered before any run.",
    "A sweep is a file: a question, one factor, its levels, what is held equal, a reference. It is a view on arms (one "
    "net, one recipe, one task).",
    "Members are paired: a seed fixes the draw of the data, their order and the initial weights, whatever the arm. The "
    "test set never moves.",
    f"Every member trains at every learning rate, a factor of {FACTOR:g} apart, up to {MOST_RATES} of them. It is read "
    "at the rate where the other members do best on validation images: neither its own luck nor the test set chooses.",
    "An effect is a ratio of errors on the same test images, with its 95 % interval over seeds. A ratio of "
    f"{RATIO_MARGIN['quick']} matters at quick, {RATIO_MARGIN['full']} at full, {GENERATED_RATIO} on generated tasks. "
    f"Standard errors are multiplied by {CALIBRATION}, which makes intervals hold the truth as often as they say.",
    "Checks come first: a known large effect must be found, and the reference against itself must not differ "
    f"(two-sided p below {DISTINCT:g}). A task counts only if a net beats logistic regression by "
    f"{100 * HEADROOM:.0f} points.",
    "The rule decides. A direction needs the same sign on two of three real tasks and none against, and must survive "
    "Holm over all registered claims. Where tasks surely differ, the claim is qualified.",
    "What decides is measured once more after three times the training. What fades then holds within so many steps.",
    "A rule that changed after its data is capped at inconclusive, and says so.",
)
LIMITS = (
    "Small images of few classes, nets of up to some sixteen layers, two optimisers: what holds here need not hold for "
    "large nets on photographs.",
    "Intervals are over seeds. They do not include differences between machines, libraries or processors.",
    "A claim is tested in the words that its file gives it. The notes' own sentence may be meant more widely.",
    "A task that was not tried can differ; a margin says what counts as different, another margin is another claim.",
    "Timings are of the machine that is named with them.",
    "A net on this page is one member of one arm, trained again: its pictures show, they do not decide.",
)
GLOSSARY = (
    ("arm", "one net with one recipe on one task"),
    ("checkerboard", "a pattern that repeats every stride pixels, whatever the image"),
    ("dispersion", "standard deviation over mean of counts or energies; 0 is even"),
    ("error ratio", "errors of one side over those of the other, on the same test images"),
    ("margin", "the smallest difference that matters, fixed before any run"),
    ("member", "one training of an arm, from one seed"),
    ("multiply-accumulate (MAC)", "one product of a weight and an input, added to a sum"),
    ("receptive field", "the pixels that can change a unit's output"),
    ("record", "what an arm's members produced, in a file that is never written twice"),
    ("saturated", "at a bound of its activation, where hardly any gradient passes"),
    ("stride", "pixels between neighbouring units: of a layer on its input, or on the image"),
    ("SAME", "padding that keeps a stride of 1 from shrinking the map; at a larger stride it depends on the size"),
    ("sweep", "the arms of one question, which differ in one factor"),
    ("transposed convolution", "a convolution's gradient used as a layer: each input paints a kernel"),
    ("unit", "one channel at one place of a map"),
)


def make(context: Context) -> Content:
    """Words, and what is known of the records."""
    records = len(context.provenance)
    finding = (
        f"A verdict is what a rule, fixed before any run, says of the evidence; {len(context.verdicts or {})} claims "
        f"were judged for this page, from computation and from {records} record{'' if records == 1 else 's'}."
    )
    return Content(
        finding=finding,
        static={
            "steps": STEPS,
            "words": [(word, MEANING[word]) for word in WORDS],
            "limits": LIMITS,
            "glossary": GLOSSARY,
            "protocol": PROTOCOL,
            "made": made(context.provenance),
            "records": records,
        },
    )


def made(provenance: Sequence[Mapping[str, Any]]) -> list[dict[str, Json]]:
    """With what the records were made: each fact's values, and how many records have each."""
    facts = {
        "Processor": [_told(one, "processor") for one in provenance],
        "Backend": [_told(one, "backend") for one in provenance],
        "Convolutions": [_told(one, "convolutions") for one in provenance],
        "Platform": [_told(one, "platform") for one in provenance],
        "Python": [_told(one, "python") for one in provenance],
        "Code": [_code(one) for one in provenance],
        "Packages": [_packages(one) for one in provenance],
    }
    return [
        {"fact": fact, "value": value, "count": count}
        for fact, values in facts.items()
        for value, count in sorted(Counter(values).items())
    ]


def _told(one: Mapping[str, Any], name: str) -> str:
    return str(one[name]) if name in one else "not recorded"


def _code(one: Mapping[str, Any]) -> str:
    git = one["git"] if "git" in one else None
    if not isinstance(git, Mapping) or "commit" not in git:
        return "not recorded"
    changed = "dirty" in git and git["dirty"]
    return f"commit {str(git['commit'])[:10]}{', with changes' if changed else ''}"


def _packages(one: Mapping[str, Any]) -> str:
    packages = one["packages"] if "packages" in one else {}
    return ", ".join(f"{name} {version}" for name, version in sorted(packages.items())) or "not recorded"


VIEW = View(
    order=60,
    title="Method",
    question="How does a verdict come about, and what does it not say?",
    caveat="The rules are the suite's own: another margin, another match or another task could give another word. Each "
    "claim's page has its rule and every number behind it.",
    make=make,
    reads_records=True,
    claims=("fft-before-cnn", "st-ok-simple-problem", "depth-by-hardware"),
)
