"""A small ResNet with batch norm."""

from flax import nnx

from .blocks import BasicBlock


class ResNet(nnx.Module):
    def __init__(self, width: int = 16, num_classes: int = 10, in_channels: int = 3, *, rngs: nnx.Rngs):
        self.stem = nnx.Conv(in_channels, width, kernel_size=(3, 3), rngs=rngs)
        self.blocks = nnx.List([BasicBlock(width, width, 1, rngs=rngs), BasicBlock(width, 2 * width, 2, rngs=rngs)])
        self.head = nnx.Linear(2 * width, num_classes, rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.stem(x))
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean(axis=(1, 2)))


def make(width, num_classes, in_channels, rngs):
    return ResNet(width, num_classes, in_channels, rngs=rngs)
