import numpy as np
from matplotlib.colors import to_rgb

from cnnlab.report import maps, pixels
from cnnlab.report.samples import BETWEEN, sheet


def corner(shown: pixels.Pixels, row: int, column: int, times: int) -> tuple[int, ...]:
    """The colour of one value's square, which must be of that colour all over."""
    square = shown[row * times : (row + 1) * times, column * times : (column + 1) * times].reshape(-1, 3)
    assert (square == square[0]).all()
    return tuple(map(int, square[0]))


def test_greys_go_from_the_darkest_to_the_brightest_and_are_parted() -> None:
    images = np.array([[[-2.0, 0.0], [0.0, 2.0]]]).reshape(1, 1, 2, 2, 1)
    shown = pixels.greys(sheet(images))
    times = pixels.LONGEST // 6
    assert shown.shape == (6 * times, 6 * times, 3)
    assert shown.dtype == np.uint8
    assert corner(shown, 2, 2, times) == (0, 0, 0)
    assert corner(shown, 3, 3, times) == (255, 255, 255)
    assert corner(shown, 0, 0, times) == tuple(round(255 * value) for value in to_rgb(BETWEEN))


def test_colours_stay_what_they_are() -> None:
    images = np.zeros((1, 1, 1, 2, 3))
    images[0, 0, 0, 1] = (1.0, 0.0, 0.5)
    shown = pixels.greys(sheet(images))
    assert corner(shown, 2, 3, pixels.LONGEST // 6) == (255, 0, 128)


def test_heat_is_brightest_where_there_is_most_and_a_plane_of_nothing_is_dark() -> None:
    plane = np.array([[0.0, 1.0], [2.0, 4.0]])
    shown = pixels.heat(plane)
    times = pixels.LONGEST // 2
    brightness = [sum(corner(shown, row, column, times)) for row, column in ((0, 0), (0, 1), (1, 0), (1, 1))]
    assert brightness == sorted(brightness)
    assert len(set(brightness)) == 4
    assert corner(pixels.heat(np.zeros((2, 2))), 1, 1, times) == corner(shown, 0, 0, times)


def test_a_large_plane_is_not_enlarged() -> None:
    assert pixels.heat(np.ones((400, 300))).shape == (400, 300, 3)


def test_maps_say_what_was_not_measured() -> None:
    plane = np.arange(4.0).reshape(2, 2)
    columns = [maps.Column(name="a", coverage=plane, energy=plane), maps.Column(name="b", coverage=plane, energy=None)]
    figure = maps.maps(columns, "title")
    assert [axes.get_xlabel() for axes in figure.axes] == ["up to 3", "up to 3", "up to 3", "not measured"]
    assert [len(axes.images) for axes in figure.axes] == [1, 1, 1, 0]
    shown = pixels.drawn(figure)
    assert shown.ndim == 3
    assert shown.shape[-1] == 3
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) > 10
