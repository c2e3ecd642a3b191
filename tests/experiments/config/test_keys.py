"""`--help` tells every key with its type, range, default and meaning, all from where the key is declared."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import pytest

from cnnlab.spec import ranges
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.net import ConvNet
from cnnlab.spec.ranges import Between, OneOf, check, declared
from experiments import run
from experiments.config import errors, keys, schema

Door = Callable[..., Any]
KINDS = [("", schema.Root), *((section, kind) for section, kinds in errors.SECTIONS.items() for kind in kinds)]


def unbounded(kind: type) -> list[str]:
    """Its numbers without a range."""
    found = declared(kind).items()
    return [name for name, one in found if one.type in (int, float) and not isinstance(one.limit, Between)]


@pytest.mark.parametrize(("section", "kind"), KINDS, ids=lambda value: value if isinstance(value, str) else "")
def test_every_number_has_a_range_and_every_key_a_meaning(section: str, kind: type) -> None:
    assert unbounded(kind) == []
    said = keys.meanings(kind)
    sections = {"sweep", *errors.SECTIONS} if not section else set()
    assert {name for name in declared(kind) if name not in said} - sections == set()


def test_a_number_without_a_range_is_found() -> None:
    """The twin."""

    @dataclass
    class Bare:
        depth: int = 3
        side: Annotated[int, Between(1, 2)] = 1

    assert unbounded(Bare) == ["depth"]
    assert keys.meanings(Bare) == {}


def test_help_names_every_key_with_what_is_declared_of_it(door: Door) -> None:
    done = door(run.main, "--help")
    assert done.code == 0
    words = " ".join(done.out.split())
    for key in tuple(errors.keys()):
        section = key.partition(".")[0]
        if key not in {*errors.SECTIONS, "sweep"} and not (section == "model" and key not in MODEL):
            assert f" {key} " in words, key
    assert "model.depth whole number, 1 to 100; default 6: number of convolutions" in words
    assert "train.momentum number, 0 to below 1; default 0.9:" in words
    assert "force true or false; default false:" in words
    assert "_schema" not in done.out
    assert max(map(len, done.out.splitlines())) <= 125


MODEL = {f"model.{item.name}" for item in dataclasses.fields(ConvNet)}


def test_help_tells_the_keys_of_what_is_chosen(door: Door) -> None:
    words = " ".join(door(run.main, "--help", "model=lenet5", "train=sgd").out.split())
    assert "model.variant text" in words
    assert "model.depth" not in words
    assert "train.optimizer one of sgd, adam; default sgd" in words


def test_what_help_says_and_what_an_error_says_is_one_declaration(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """By changing it."""
    depth = declared(ConvNet)["depth"]
    other = {**declared(ConvNet), "depth": dataclasses.replace(depth, limit=Between(1, 5))}
    before = ranges.declared
    monkeypatch.setattr(ranges, "declared", lambda kind: other if kind is ConvNet else before(kind))
    assert "must lie between 1 and 5" in door(run.main, "model.depth=6").err


@dataclass
class Spec:
    whole: Annotated[int, Between(1, 3)] = 1
    open: Annotated[float, Between(0, 1, above=True, below=True)] = 0.5
    word: Annotated[str, OneOf(("a", "b"))] = "a"
    many: tuple[Annotated[int, Between(0, 9)], ...] = ()
    pairs: tuple[tuple[str, Annotated[float, Between(-1, 1)]], ...] = ()
    flag: bool = False
    maybe: Annotated[float, Between(0, 1)] | None = None


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"whole": 4}, "x.whole=4 is not valid: must lie between 1 and 3"),
        ({"whole": True}, "x.whole=True is not valid: must be a whole number"),
        ({"whole": "2"}, "x.whole=2 is not valid: must be a whole number"),
        ({"whole": None}, "x.whole=None is not valid: must be a whole number"),
        ({"open": 0.0}, "x.open=0.0 is not valid: must be above 0 and below 1"),
        ({"open": float("nan")}, "must be above 0"),
        ({"open": float("inf")}, "must be above 0"),
        ({"word": "c"}, "x.word=c is not valid: choose one of a, b"),
        ({"many": (1, 10)}, "x.many=[1, 10] is not valid: every entry must lie between 0 and 9"),
        ({"many": 3}, "x.many=3 is not valid: must be a list"),
        ({"pairs": (("noise", 2.0),)}, "x.pairs.noise=2.0 is not valid: must lie between -1 and 1"),
        ({"flag": 1}, "x.flag=1 is not valid: must be true or false"),
        ({"maybe": 2.0}, "x.maybe=2.0 is not valid"),
    ],
)
def test_a_value_that_is_not_as_declared_is_told(values: dict[str, Any], said: str) -> None:
    check(Spec(), "x")
    check(Spec(whole=3, open=0.1, word="b", many=(0, 9), pairs=(("noise", 1),), maybe=0.5), "x")
    with pytest.raises(InvalidError) as caught:
        check(Spec(**values), "x")
    assert said in str(caught.value)
