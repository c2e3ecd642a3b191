"""What a verdict says to a teacher: one plain sentence, without statistics."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from cnnlab.inference.wording import amount
from cnnlab.spec.verdict import Effect, Match, Setting

NO_DIFFERENCE = "no difference that matters"
MINUS = " minus "
PLACES = ("before", "behind", "between", "after", "in", "at")
"""Words with which a place begins that both sides of a contrast may share."""
CAPS = (
    (
        r"the best learning rate ends the (\d+) that were tried in .+",
        r"the best of the \1 learning rates that were tried is the first or the last, so another may be better",
    ),
    (r"(.+) has no value for (\d+) of (\d+) members of .+", r"\2 of \3 nets of an arm lack a value of: \1"),
    (r"(rule changed after data) .+", r"\1"),
)
"""Caps of verdicts as patterns, and what they say to a teacher."""
MATCHES: dict[Match, str] = {
    "none": "for the nets as they are",
    "macs": "at equal computation",
    "params": "at equal parameters",
}


def sentence(text: str) -> str:
    """Start with a capital letter and end with a full stop."""
    return text[:1].upper() + text[1:].rstrip(".") + "."


def follows(name: str, said: str) -> str:
    """What was found of a part that has a name: "Accuracy: not tested yet."."""
    return sentence(f"{name}: {said[:1].lower()}{said[1:]}")


def of_parts(said: Mapping[str, str]) -> str:
    """What was found of several parts, by their names; once where all say the same."""
    if len(said) > 1 and len(set(said.values())) == 1:
        return next(iter(said.values()))
    return " ".join(follows(name, one) for name, one in said.items())


def joined(names: Iterable[str], word: str = "and") -> str:
    """Names as a list in words: "a", "a and b", "a, b and c"."""
    *most, last = dict.fromkeys(names)
    return f"{', '.join(most)} {word} {last}" if most else last


def tasks(effects: Iterable[Effect], among: Iterable[Effect] = ()) -> str:
    """Tasks in words, without trailing digits and dials; in full where two of `among` would read the same."""
    labels = {effect.setting.task for effect in among}
    short = [task_word(label) for label in labels]
    return joined(
        word if short.count(word := task_word(effect.setting.task)) < 2 else effect.setting.task for effect in effects
    )


def task_word(label: str) -> str:
    """The name alone: "digits12" is "digits", "long_range distance=4" is "long range"."""
    name = re.split(r"[ ,(]", label, maxsplit=1)[0]
    return (re.sub(r"\d+(?=_|$)", "", name) or name).replace("_", " ")


def gap(effects: Sequence[Effect]) -> str:
    """How far apart two sides are, in words; effects of one contrast and one sign, which the words give back.

    An error ratio: "1.4 times as many errors with one convolution as with two". Any other metric: "gradient decay
    higher by 0.31 with ReLU than with tanh"; one that is a difference itself: "accuracy before minus behind is -0.04".
    """
    at = effects[0].setting
    if MINUS in at.quantity:
        values = sorted((effect.estimate for effect in effects), key=abs)
        return f"{at.quantity} is {' to '.join(dict.fromkeys(amount(one, at) for one in (values[0], values[-1])))}"
    more, less = (at.worse, at.better) if (effects[0].estimate > 0) == at.ratio else (at.better, at.worse)
    named = bool(more and less)
    if at.ratio:
        size = _range([math.exp(abs(effect.estimate)) for effect in effects], _times)
        who = f"with {without_tail(more, less)} as with {less}" if named else _side("worse", "better", effects[0])
        return f"{_contrast(at, named)}{size} times as many errors {who}"
    size = _range([abs(effect.estimate) for effect in effects], lambda value: amount(value, at, signed=False))
    who = f"with {more} than with {less}" if named else _side("better", "worse", effects[0])
    return f"{_contrast(at, named)}{at.quantity} higher by {size} {who}"


def between(at: Setting) -> str:
    """The two sides, as what lies between them: " between a and b"; the contrast's name where they have no words."""
    if at.better and at.worse:
        if "," in at.better + at.worse:
            return f", be it {at.better}, or {at.worse}"
        return f" between {without_tail(at.better, at.worse)} and {at.worse}"
    return f" for {at.contrast}" if at.contrast else ""


def without_tail(first: str, second: str) -> str:
    """The first of two sides without the place that both end with, if any.

    Of "one convolution before the pool", beside "two convolutions before the pool": "one convolution".
    """
    ours, theirs = first.split(), second.split()
    for start in range(1, len(ours)):
        shared = theirs[start - len(ours) :] == ours[start:] and len(theirs) > len(ours) - start
        if shared and ours[start] in PLACES and ours[start - 1] != "just":
            return " ".join(ours[:start])
    return first


def plain_cap(cap: str) -> str:
    """Why evidence may not be read, without the names of arms and records, which its reason keeps."""
    for pattern, plain in CAPS:
        if found := re.fullmatch(pattern, cap):
            return found.expand(plain)
    return cap.split(": ")[0]


def by_task(effects: Sequence[Effect]) -> str:
    """What each task says, those of one call together: "on a 1.4 times as many ...; on b undecided"."""
    parts = []
    for call in ("pos", "neg", "null", "open"):
        found = [effect for effect in effects if effect.call == call]
        if found:
            said = {"null": NO_DIFFERENCE, "open": "undecided"}.get(call) or gap(found)
            parts.append(f"on {tasks(found, effects)} {said}")
    return "; ".join(parts)


def rest(effects: Sequence[Effect], said: Sequence[Effect]) -> str:
    """What the tasks that were not spoken of say, led by a semicolon; empty where there are none."""
    others = [effect for effect in effects if effect not in said]
    return f"; {by_task(others)}" if others else ""


def _contrast(at: Setting, named: bool) -> str:
    return "" if named or not at.contrast else f"{at.contrast}: "


def _side(expected: str, other: str, effect: Effect) -> str:
    """Which side has more, where the sides have no words: the one that the claim expects, or the other."""
    return f"on the {expected} side" if effect.estimate > 0 else f"on the side that was to be {other}"


def _range(values: Sequence[float], written: Callable[[float], str]) -> str:
    ends = list(dict.fromkeys((written(min(values)), written(max(values)))))
    return " to ".join(ends)


def _times(ratio: float) -> str:
    """Two figures: "1.4", "6.8", "13"; two decimals below 1.2, where one says too little."""
    return f"{ratio:.2f}" if ratio < 1.195 else f"{ratio:.1f}" if ratio < 9.95 else f"{ratio:.0f}"
