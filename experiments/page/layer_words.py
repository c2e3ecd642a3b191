"""Layers in a few words."""

from cnnlab.spec.network import Blur, Conv, Node, Pair, Pool, TransposedConv


def kind(node: Node) -> str:
    """A layer in a few words: `conv 3x3`, `max pool 2x2, stride 2`."""
    match node:
        case Conv():
            words = "conv"
        case TransposedConv():
            words = "transposed conv"
        case Blur():
            words = "blur"
        case Pool():
            words = f"{node.kind} pool"
        case _:
            name = type(node).__name__
            return "".join(f" {char.lower()}" if char.isupper() else char for char in name).strip()
    return f"{words} {_pair(node.kernel)}{'' if node.stride == (1, 1) else f', stride {node.stride[0]}'}"


def _pair(pair: Pair) -> str:
    return f"{pair[0]}x{pair[1]}"
