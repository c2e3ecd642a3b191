"""The order of layers in what records keep of them."""

import re


def by_number(path: str) -> list[tuple[int, str]]:
    """Sorts paths of layers by the numbers in them: records name them in the order of letters, act10 before act2."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path)]
