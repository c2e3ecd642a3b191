"""Our own convolutions against the definition in float64, and against XLA's; how the library comes to be, or not."""

import itertools
import multiprocessing
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array, lax
from numpy.typing import NDArray

from cnnlab.zoo import native
from cnnlab.zoo.activations import identity, leaky_relu, relu, relu_half
from cnnlab.zoo.native import library

CASES = 32
Case = tuple[tuple[int, ...], tuple[int, ...], tuple[int, int], tuple[tuple[int, int], tuple[int, int]]]


@pytest.fixture
def compilable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's own compiler, whatever the environment names; skips where there is none."""
    monkeypatch.delenv("CXX", raising=False)
    try:
        library.compiler()
    except native.LibraryError as problem:
        pytest.skip(str(problem))


def cases() -> list[Case]:
    """Shapes of maps and kernel, strides and padding, drawn once: odd and even, wide and narrow, some cropped."""
    drawn, found = random.Random(0), list[Case]()
    while len(found) < CASES:
        channels, filters = (drawn.choice((1, 3, 5, 8, 16, 17, 24, 40)) for _ in range(2))
        rows, columns = drawn.choice((1, 2, 3, 4, 5, 7)), drawn.choice((1, 2, 3, 5))
        maps = (drawn.choice((1, 2, 5, 19)), drawn.randint(1, 12), drawn.randint(1, 12), channels)
        stride = (drawn.choice((1, 1, 2, 3)), drawn.choice((1, 1, 2)))
        sides = tuple((drawn.randint(-1, size), drawn.randint(-1, size)) for size in (rows, columns))
        if all(side + sum(pad) >= size for side, pad, size in zip(maps[1:3], sides, (rows, columns), strict=True)):
            found.append((maps, (rows, columns, channels, filters), stride, (sides[0], sides[1])))
    return found


QUICK = 8
SOME_QUICK = [
    case if place < QUICK else pytest.param(case, marks=pytest.mark.slow) for place, case in enumerate(cases())
]


def arrays(case: Case, out: tuple[int, ...]) -> tuple[NDArray[Any], ...]:
    """Maps, kernel, bias and a gradient at the output, in float64 with what float32 can hold."""
    numbers = np.random.default_rng(1)
    shapes = case[0], case[1], case[1][3:], out
    return tuple(numbers.normal(size=shape).astype(np.float32).astype(np.float64) for shape in shapes)


def by_definition(case: Case) -> list[NDArray[Any]]:
    """Output and gradients at maps, kernel and bias by loops over windows, in float64: the slow oracle."""
    (count, *_), (rows, columns, _, filters), (down, right), sides = case
    framed_sides = [side + sum(pad) for side, pad in zip(case[0][1:3], sides, strict=True)]
    high = (framed_sides[0] - rows) // down + 1
    wide = (framed_sides[1] - columns) // right + 1
    maps, kernel, bias, gradient = arrays(case, (count, high, wide, filters))
    low = [max(0, before) for before, _ in sides]
    generous = [(max(0, before), max(0, after)) for before, after in sides]
    framed = np.pad(maps, ((0, 0), *generous, (0, 0)))
    at_framed, at_kernel = np.zeros_like(framed), np.zeros_like(kernel)
    value = np.zeros((count, high, wide, filters))
    for y, x in itertools.product(range(high), range(wide)):
        top, left = y * down + max(0, -sides[0][0]), x * right + max(0, -sides[1][0])
        window = np.s_[:, top : top + rows, left : left + columns]
        value[:, y, x] = np.tensordot(framed[window], kernel, 3) + bias
        at_framed[window] += np.tensordot(gradient[:, y, x], kernel, ((1,), (3,)))
        at_kernel += np.tensordot(framed[window], gradient[:, y, x], ((0,), (0,)))
    inner = np.s_[:, low[0] : low[0] + maps.shape[1], low[1] : low[1] + maps.shape[2]]
    return [value, at_framed[inner], at_kernel, gradient.sum((0, 1, 2))]


def ours(case: Case, convolve: Callable[..., Array] = native.convolve) -> list[NDArray[Any]]:
    """The same four from a function, in float32."""
    given = [jnp.asarray(array, jnp.float32) for array in arrays(case, by_definition(case)[0].shape)]
    value, back = jax.vjp(lambda *inputs: convolve(*inputs, *case[2:]), *given[:3])
    return [np.asarray(array) for array in (value, *back(given[3]))]


def by_xla(maps: Array, kernel: Array, bias: Array, stride: Any, padding: Any) -> Array:
    """The library's convolution."""
    return lax.conv_general_dilated(maps, kernel, stride, padding, dimension_numbers=("NHWC", "HWIO", "NHWC")) + bias


def worst(found: list[NDArray[Any]], expected: list[NDArray[Any]]) -> float:
    """The largest difference, in parts of the largest entry of its array or of 1; infinite where shapes differ."""
    if [array.shape for array in found] != [array.shape for array in expected]:
        return np.inf
    pairs = zip(found, expected, strict=True)
    return max(float(np.abs(one - other).max() / max(np.abs(other).max(), 1.0)) for one, other in pairs)


@pytest.mark.usefixtures("natively")
@pytest.mark.parametrize("case", SOME_QUICK, ids=str)
def test_values_and_gradients_are_those_of_the_definition(case: Case):
    assert worst(ours(case), by_definition(case)) < 3e-6


@pytest.mark.parametrize("count", [4, pytest.param(CASES, marks=pytest.mark.slow)])
def test_the_oracle_is_the_librarys_convolution(count: int):
    assert max(worst(ours(case, by_xla), by_definition(case)) for case in cases()[:count]) < 3e-6


def worst_with(flags: tuple[str, ...], folder: Path) -> tuple[float, float]:
    """The largest differences of all cases, without ReLU and of ReLU inside from behind, with a library compiled so."""
    library.FLAGS = (*library.FLAGS, *flags)
    native.use(native.build(folder))
    plain = max(worst(ours(case), by_definition(case)) for case in cases())
    return plain, max(worst(ours(case, with_relu), ours(case, before(relu))) for case in cases())


@pytest.mark.slow
@pytest.mark.usefixtures("compilable")
@pytest.mark.parametrize("lanes", [4, 16])
def test_vectors_of_another_processors_width_give_the_same(lanes: int, tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        plain, rectified = pool.apply(worst_with, ((f"-DCNNLAB_LANES={lanes}",), tmp_path))
    assert plain < 3e-6
    assert rectified == 0


def shifted(maps: Array, kernel: Array, bias: Array, stride: Any, padding: Any) -> Array:
    """Planted fault: the window one pixel on, where it may be."""
    (before, after), other = padding
    return native.convolve(maps, kernel, bias, stride, ((before - 1, after + 1), other))


def turned(maps: Array, kernel: Array, bias: Array, stride: Any, padding: Any) -> Array:
    """Planted fault: the kernel turned around."""
    return native.convolve(maps, kernel[::-1, ::-1], bias, stride, padding)


@pytest.mark.usefixtures("natively")
@pytest.mark.parametrize("fault", [shifted, turned])
def test_a_planted_fault_is_seen(fault: Callable[..., Array]):
    assert max(worst(ours(case, fault), by_definition(case)) for case in cases()[:QUICK]) > 0.1


def with_relu(maps: Array, kernel: Array, bias: Array, stride: Any, padding: Any) -> Array:
    """Our own convolution that ends in a ReLU."""
    return native.convolve(maps, kernel, bias, stride, padding, True)


def before(activation: Callable[[Array], Array]) -> Callable[..., Array]:
    """Our own convolution, and behind it an activation that XLA computes."""
    return lambda *given: activation(native.convolve(*given))


@pytest.mark.usefixtures("natively")
@pytest.mark.parametrize("case", SOME_QUICK, ids=str)
def test_relu_inside_gives_the_bits_of_relu_behind_it(case: Case):
    for found, expected in zip(ours(case, with_relu), ours(case, before(relu)), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.usefixtures("natively")
@pytest.mark.parametrize("fault", [identity, leaky_relu], ids=lambda fault: fault.__name__)
def test_another_activation_is_seen(fault: Callable[[Array], Array]):
    assert max(worst(ours(case, with_relu), ours(case, before(fault))) for case in cases()[:QUICK]) > 1e-3


@pytest.mark.usefixtures("natively")
@pytest.mark.parametrize(("activation", "derivative"), [(relu, 0.0), (relu_half, 0.5)])
def test_relu_inside_has_the_derivative_of_relu_at_zero(activation: Callable[[Array], Array], derivative: float):
    given = jnp.zeros((1, 1, 1, 1)), jnp.ones((1, 1, 1, 1)), jnp.zeros(1)
    ours_at_zero, at_zero = (
        jax.grad(lambda maps, way=way: way(maps, *given[1:], (1, 1), ((0, 0), (0, 0))).sum())(given[0]).item()
        for way in (with_relu, before(activation))
    )
    assert at_zero == derivative
    assert (ours_at_zero == derivative) == (activation is relu)


@pytest.mark.usefixtures("natively")
def test_neighbours_that_see_the_same_get_the_same_bits():
    """A max-pool shares its gradient among equal pixels: rounding must not depend on where in a tile a pixel lies."""
    maps, numbers = jnp.ones((3, 11, 13, 7)), np.random.default_rng(2)
    kernel, bias = (jnp.asarray(numbers.normal(size=shape), jnp.float32) for shape in ((3, 3, 7, 21), (21,)))
    value = np.asarray(native.convolve(maps, kernel, bias, (1, 1), ((0, 0), (0, 0))))
    assert len(np.unique(value.reshape(-1, 21), axis=0)) == 1


@pytest.mark.usefixtures("natively")
def test_other_types_are_refused():
    images, kernel = jnp.zeros((1, 5, 5, 1), jnp.bfloat16), jnp.zeros((3, 3, 1, 2), jnp.bfloat16)
    with pytest.raises(TypeError, match="not bfloat16's"):
        native.convolve(images, kernel, jnp.zeros(2, jnp.bfloat16), (1, 1), ((0, 0), (0, 0)))


@pytest.mark.usefixtures("natively")
@pytest.mark.parametrize("rectify", [False, True])
def test_it_says_nothing_of_what_is_not_a_number(rectify: bool):
    maps = jnp.zeros((1, 5, 5, 1)).at[0, 2, 2, 0].set(np.nan)
    value = native.convolve(maps, jnp.ones((3, 3, 1, 9)), jnp.zeros(9), (1, 1), ((1, 1), (1, 1)), rectify)
    expected = np.zeros((5, 5), bool)
    expected[1:4, 1:4] = True
    assert (np.isnan(np.asarray(value)).all(-1) == expected[None]).all()


# The library.


@pytest.mark.usefixtures("compilable")
def test_it_is_compiled_once_and_anew_for_another_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source.cc"  # any source: this is about its file
    source.write_text("int answer = 42;\n")
    monkeypatch.setattr(library, "SOURCE", source)
    first = native.build(tmp_path / "cache")
    made = first.stat().st_mtime_ns
    assert native.build(tmp_path / "cache") == first
    assert first.stat().st_mtime_ns == made
    changed = tmp_path / "changed.cc"
    changed.write_bytes(source.read_bytes() + b"// changed\n")
    monkeypatch.setattr(library, "SOURCE", changed)
    second = native.build(tmp_path / "cache")
    monkeypatch.setattr(library, "FLAGS", (*library.FLAGS, "-ffp-contract=off"))
    third = native.build(tmp_path / "cache")
    assert sorted((tmp_path / "cache").iterdir()) == sorted({first, second, third})
    assert len({first, second, third}) == 3


def built(folder: Path) -> str:
    return native.build(folder).name


@pytest.mark.slow
@pytest.mark.usefixtures("compilable")
def test_processes_that_compile_it_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        names = pool.map(built, [tmp_path / "cache"] * 3)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == names[:1]
    assert len(set(names)) == 1


def without_compiler(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.delenv("CXX", raising=False)
    patch.setattr(library, "COMPILERS", ("no-such-compiler",))


def failing_compiler(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("CXX", "false")


def unreadable_compiler(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("CXX", '"')


def nameless_compiler(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("CXX", "''")


def missing_compiler(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("CXX", "/no/such/compiler")


def broken_source(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setattr(library, "SOURCE", folder.with_name("broken.cc"))
    library.SOURCE.write_text("#error planted\n")


def file_in_the_way(patch: pytest.MonkeyPatch, folder: Path) -> None:
    folder.write_text("")


@pytest.mark.usefixtures("compilable")
@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (without_compiler, "no C++ compiler is installed (no-such-compiler; CXX may name another)"),
        (failing_compiler, "the compiler false fails: exit code 1"),
        (unreadable_compiler, 'CXX=" is no command (no closing quotation)'),
        (nameless_compiler, "CXX='' is no command (it names none)"),
        (missing_compiler, "the compiler /no/such/compiler fails: No such file or directory"),
        (broken_source, "error: #error planted"),
        (file_in_the_way, "is no folder: nothing is loaded from there"),
    ],
)
def test_why_there_is_none_is_one_line_and_nothing_is_left(
    trouble: Callable[[pytest.MonkeyPatch, Path], None], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cache"
    trouble(monkeypatch, folder)
    with pytest.raises(native.LibraryError) as caught:
        native.build(folder)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not folder.is_dir() or not list(folder.iterdir())


def test_a_library_that_cannot_be_loaded_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_used", [])
    (tmp_path / "torn.so").write_bytes(b"torn")
    with pytest.raises(native.LibraryError, match=r"torn\.so cannot be loaded"):
        native.use(tmp_path / "torn.so")
    assert native.used() == ""


def _of_another_user(path: Path) -> None:
    os.chown(path, 12345, 12345)


def _for_all(path: Path) -> None:
    path.chmod(0o777)


def _for_the_group(path: Path) -> None:
    path.chmod(0o770)


def _linked(path: Path) -> None:
    path.rename(path.with_suffix(".elsewhere"))
    path.symlink_to(path.with_suffix(".elsewhere"))


@pytest.mark.usefixtures("compilable")
@pytest.mark.parametrize("spoil", [_of_another_user, _for_all, _for_the_group, _linked])
@pytest.mark.parametrize("folder", [False, True], ids=["file", "folder"])
def test_a_library_that_others_may_have_put_there_is_not_loaded(
    spoil: Callable[[Path], None], folder: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By doing: loading this one would leave a file. The twin: it does, as long as it is this user's own."""
    if spoil is _of_another_user and os.geteuid():
        pytest.skip("only root gives files away")
    proof = tmp_path / "proof"
    monkeypatch.setattr(library, "_used", [])
    monkeypatch.setattr(library, "SOURCE", tmp_path / "source.cc")
    library.SOURCE.write_text(
        "#include <cstdio>\n__attribute__((constructor)) static void leave() "
        f'{{ if (FILE* f = fopen("{proof}", "w")) fclose(f); }}\n'
    )
    built_there = native.build(tmp_path / "cache")
    assert proof.exists()
    proof.unlink()
    copied = tmp_path / "other" / built_there.name  # the loader would know the first one again
    copied.parent.mkdir(mode=0o700)
    shutil.copy(built_there, copied)
    spoil(copied.parent if folder else copied)
    for load in (native.use, lambda _: native.build(copied.parent)):
        with pytest.raises(native.LibraryError, match=r"not loaded|nothing is loaded"):
            load(copied)
    assert not proof.exists()


@pytest.mark.usefixtures("compilable")
def test_what_a_killed_compiler_leaves_goes_and_the_draft_of_one_that_runs_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "SOURCE", tmp_path / "source.cc")
    library.SOURCE.write_text("int answer = 42;\n")
    left, running = (tmp_path / "cache" / f"{library.DRAFTS}{name}" for name in ("left", "running"))
    for draft in (left, running):
        draft.mkdir(parents=True)
        (draft / "half.so").write_bytes(b"half")
    os.utime(left, (time.time() - 3 * library.SECONDS,) * 2)
    native.build(tmp_path / "cache")
    assert not left.exists()
    assert running.exists()


@pytest.mark.usefixtures("natively")
def test_a_process_has_one_library(library_file: Path, tmp_path: Path) -> None:
    native.use(library_file)
    with pytest.raises(native.LibraryError, match="is already in use"):
        native.use(tmp_path / "another.so")
    assert native.used() == library_file.stem
