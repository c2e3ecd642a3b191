"""Nets in the styles of public Flax repositories, small: NNX and Linen, with the conventions that these have."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import nnx

WIDE = 4


def conv(cin: int, cout: int, kernel: int = 3, **settings: Any) -> nnx.Conv:
    return nnx.Conv(cin, cout, (kernel, kernel), rngs=nnx.Rngs(0), **settings)


class UNet(nn.Module):
    """Two levels, transposed convolutions, skips by concat; `train` as in most Linen examples."""

    @nn.compact
    def __call__(self, x: Any, train: bool) -> Any:
        skips = []
        for _ in range(2):
            x = nn.relu(nn.BatchNorm(use_running_average=not train)(nn.Conv(WIDE, (3, 3))(x)))
            skips.append(x)
            x = nn.avg_pool(x, (2, 2), (2, 2))
        x = nn.relu(nn.Conv(WIDE, (3, 3))(x))
        for skip in reversed(skips):
            x = jnp.concatenate([skip, nn.ConvTranspose(WIDE, (2, 2), (2, 2))(x)], -1)
            x = nn.relu(nn.Conv(WIDE, (3, 3))(x))
        return x


class ResizeUNet(nn.Module):
    """Up-sampling by `jax.image.resize` to the skip's own size, so that odd maps fit."""

    how: str = "bilinear"

    @nn.compact
    def __call__(self, x: Any, deterministic: bool = False) -> Any:
        skip = nn.Conv(WIDE, (3, 3))(x)
        x = nn.Dropout(0.5)(nn.Conv(WIDE, (3, 3), strides=(2, 2))(skip), deterministic=deterministic)
        return jax.image.resize(x, (*skip.shape[:-1], WIDE), self.how)


class Dense(nn.Module):
    """DenseNet: each layer reads all before it; a transition halves the map."""

    @nn.compact
    def __call__(self, x: Any, training: bool = True) -> Any:
        for block in range(2):
            for _ in range(2):
                y = nn.relu(nn.BatchNorm(use_running_average=not training)(x))
                x = jnp.concatenate([x, nn.Conv(2, (3, 3), use_bias=False)(y)], axis=3)
            x = nn.avg_pool(nn.Conv(WIDE, (1, 1))(x), (2, 2), strides=(2, 2)) if block == 0 else x
        return x


class MobileNetV2(nnx.Module):
    """Inverted residuals with depthwise convolutions and relu6."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.stem = conv(3, WIDE, strides=2)
        self.expand = nnx.List([conv(WIDE, 8, 1, use_bias=False) for _ in range(2)])
        self.depth = nnx.List([conv(8, 8, 3, strides=s, feature_group_count=8) for s in (1, 2)])
        self.project = nnx.List([conv(8, WIDE, 1) for _ in range(2)])

    def __call__(self, x: Any) -> Any:
        x = nnx.relu6(self.stem(x))
        for place in range(2):
            y = self.project[place](nnx.relu6(self.depth[place](nnx.relu6(self.expand[place](x)))))
            x = x + y if y.shape == x.shape else y
        return x


class ConvNeXt(nnx.Module):
    """Patch stem, 7x7 depthwise, LayerNorm, layer scale, stochastic depth whose rates are read from an array."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.rates = [float(rate) for rate in jnp.linspace(0, 0.1, 2)]
        self.stem = nnx.Conv(3, WIDE, (4, 4), strides=(4, 4), padding="VALID", rngs=rngs)
        self.depth = nnx.Conv(WIDE, WIDE, (7, 7), feature_group_count=WIDE, rngs=rngs)
        self.norm = nnx.LayerNorm(WIDE, rngs=rngs)
        self.up, self.down = nnx.Linear(WIDE, 8, rngs=rngs), nnx.Linear(8, WIDE, rngs=rngs)
        self.scale = nnx.Param(1e-6 * jnp.ones(WIDE))
        self.drop = nnx.Dropout(0.1, broadcast_dims=(1, 2, 3), rngs=rngs)

    def __call__(self, x: Any) -> Any:
        x = self.stem(x)
        return x + self.drop(self.scale[...] * self.down(nnx.gelu(self.up(self.norm(self.depth(x))))))


class SpatialGate(nnx.Module):
    """CBAM's spatial gate: the mean and the maximum over channels, a 7x7 convolution, a sigmoid."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.body, self.gate = conv(3, WIDE), conv(2, 1, 7, use_bias=False)

    def __call__(self, x: Any) -> Any:
        x = self.body(x)
        both = jnp.concatenate([x.mean(-1, keepdims=True), x.max(-1, keepdims=True)], -1)
        return x * nnx.sigmoid(self.gate(both))


class Pyramid(nnx.Module):
    """FPN: lateral 1x1 convolutions, nearest up-sampling by `repeat`, a smoothing convolution.

    With odd kernels, as in FPN, a pixel of the top is repeated over two that do not lie round its centre: the paths
    are half a pixel apart, at every size. With even ones it lies between the two that it is repeated over.
    """

    def __init__(self, rngs: nnx.Rngs, kernel: int = 3, paths: tuple[str, ...] = ("lateral", "up")) -> None:
        self.a, self.b = conv(3, WIDE, kernel, strides=2), conv(WIDE, WIDE, kernel, strides=2)
        self.lateral, self.top, self.smooth = conv(WIDE, WIDE, 1), conv(WIDE, WIDE, 1), conv(WIDE, WIDE)
        self.paths = paths

    def __call__(self, x: Any) -> Any:
        a = nnx.relu(self.a(x))
        top = self.top(nnx.relu(self.b(a)))
        up = jnp.repeat(jnp.repeat(top, 2, axis=1), 2, axis=2)[:, : a.shape[1], : a.shape[2]]
        maps = {"lateral": self.lateral(a), "up": up}
        first, *rest = (maps[path] for path in self.paths)
        return self.smooth(sum(rest, start=first))


class Atrous(nn.Module):
    """DeepLab's pyramid of dilated convolutions, without image pooling."""

    @nn.compact
    def __call__(self, x: Any, is_training: bool = True) -> Any:
        x = nn.Conv(WIDE, (3, 3), (2, 2))(x)
        branches = [nn.Conv(WIDE, (1, 1))(x)]
        branches += [nn.Conv(WIDE, (3, 3), kernel_dilation=(rate, rate))(x) for rate in (2, 3)]
        return nn.Conv(WIDE, (1, 1))(jnp.concatenate(branches, -1))


class Shuffle(nnx.Module):
    """ShuffleNet V2: split the channels, a depthwise branch, channel shuffle."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.stem, self.point = conv(3, 8), conv(4, 4, 1)
        self.depth = conv(4, 4, feature_group_count=4)

    def __call__(self, x: Any) -> Any:
        x = self.stem(x)
        kept, worked = jnp.split(x, 2, axis=-1)
        x = jnp.concatenate([kept, self.depth(nnx.relu(self.point(worked)))], -1)
        n, h, w, c = x.shape
        return self.depth(x.reshape(n, h, w, 2, c // 2).transpose(0, 1, 2, 4, 3).reshape(n, h, w, c)[..., :4])


class GroupNormed(nn.Module):
    """A pre-activation block with group norms."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        x = nn.Conv(WIDE, (3, 3), padding=((2, 0), (1, 1)))(x)
        return x + nn.Conv(WIDE, (3, 3))(nn.swish(nn.GroupNorm(2)(x)))


class Inception(nn.Module):
    """Branches of uneven windows, one of them a pool, with asymmetric kernels."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        x = nn.Conv(WIDE, (3, 3), (2, 2), padding="VALID")(x)
        tall = nn.Conv(WIDE, (1, 7))(nn.Conv(WIDE, (7, 1))(nn.Conv(2, (1, 1))(x)))
        pooled = nn.Conv(WIDE, (1, 1))(nn.avg_pool(x, (3, 3), strides=(1, 1), padding="SAME"))
        return jnp.concatenate([nn.Conv(WIDE, (1, 1))(x), tall, pooled], axis=-1)


class SpaceToDepth(nnx.Module):
    """TResNet's stem: 4x4 pixels as channels, then a convolution."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.conv = conv(48, WIDE)

    def __call__(self, x: Any) -> Any:
        n, h, w, c = x.shape
        x = x.reshape(n, h // 4, 4, w // 4, 4, c).transpose(0, 1, 3, 2, 4, 5).reshape(n, h // 4, w // 4, -1)
        return self.conv(x)


class BlurPooled(nnx.Module):
    """Zhang's anti-aliased down-sampling: a fixed binomial kernel, channel by channel."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.a, self.b = conv(3, WIDE), conv(WIDE, WIDE)
        line = jnp.array([1.0, 2.0, 1.0]) / 4
        self.blur = nnx.Variable(jnp.tile((line[:, None] * line)[..., None, None], (1, 1, 1, WIDE)))

    def __call__(self, x: Any) -> Any:
        x = nnx.relu(self.a(x))
        kernel = self.blur[...]
        x = jax.lax.conv_general_dilated(
            x, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=WIDE
        )
        return self.b(x)


class Rolled(nnx.Module):
    """Shifts by a roll, as shift convolutions and shifted windows have them."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.a, self.b = conv(3, WIDE), conv(WIDE, WIDE)

    def __call__(self, x: Any) -> Any:
        return self.b(jnp.roll(self.a(x), (1, 2), axis=(1, 2)))


class PixelCNN(nnx.Module):
    """Masked convolutions: a mask that the layer holds, and one that the forward pass makes."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        mask = np.ones((5, 5, 3, WIDE), np.float32)
        mask[3:], mask[2, 3:] = 0, 0
        self.a = nnx.Conv(3, WIDE, (5, 5), mask=jnp.asarray(mask), rngs=rngs)
        self.b = nnx.Param(jax.random.normal(jax.random.key(0), (3, 3, WIDE, WIDE)))

    def __call__(self, x: Any) -> Any:
        kernel = jnp.where(jnp.arange(3)[:, None, None, None] < 2, self.b[...], 0)
        return jax.lax.conv_general_dilated(
            self.a(x), kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )


class Shared(nnx.Module):
    """One convolution used three times, as in a recurrent net."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.stem, self.step = conv(3, WIDE), conv(WIDE, WIDE)

    def __call__(self, x: Any) -> Any:
        x = self.stem(x)
        for _ in range(3):
            x = nnx.relu(self.step(x))
        return x


class Halved(nn.Module):
    """JAX's own antialiased halving between two convolutions."""

    how: str = "linear"

    @nn.compact
    def __call__(self, x: Any) -> Any:
        x = nn.Conv(WIDE, (3, 3))(x)
        x = jax.image.resize(x, (x.shape[0], x.shape[1] // 2, x.shape[2] // 2, WIDE), self.how)
        return nn.Conv(WIDE, (3, 3))(x)


class Standardised(nnx.Module):
    """A convolution whose kernel is standardised before use, with a gain (normaliser-free nets)."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.kernel = nnx.Param(jax.random.normal(rngs.params(), (3, 3, 3, WIDE)))
        self.gain, self.bias = nnx.Param(jnp.ones(WIDE)), nnx.Param(jnp.zeros(WIDE))

    def __call__(self, x: Any) -> Any:
        kernel = self.kernel[...]
        kernel = (kernel - kernel.mean((0, 1, 2))) / jnp.sqrt(kernel.var((0, 1, 2)) + 1e-4) * self.gain[...]
        x = jax.lax.conv_general_dilated(x, kernel, (2, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return x + self.bias[...]


# ---- nets whose units see the whole image, along both axes or one


class SqueezeExcite(nn.Module):
    """SE-ResNet's block; the squeeze in one of its spellings."""

    how: str = "mean"

    @nn.compact
    def __call__(self, x: Any) -> Any:
        x = nn.Conv(WIDE, (3, 3))(x)
        y = nn.Conv(WIDE, (3, 3))(nn.relu(x))
        _, h, w, c = y.shape
        match self.how:
            case "mean":
                s = y.mean((1, 2))[:, None, None]
            case "max":
                s = y.max((1, 2), keepdims=True)
            case "avg_pool":
                s = nn.avg_pool(y, (h, w), strides=(h, w))
            case "max of lower rows":
                s = y[:, 4:].max((1, 2), keepdims=True)
            case "max_pool":
                s = nn.max_pool(y, (h, w))
            case "axis by axis":
                s = nn.max_pool(nn.max_pool(y, (h, 1)), (1, w))
            case "einsum":
                s = jnp.einsum("nhwc->nc", y)[:, None, None, :] / (h * w)
            case "weighted":
                s = jnp.einsum("nhwc,hw->nc", y, jnp.full((h, w), 1 / (h * w)))[:, None, None]
            case "norm":
                s = jnp.sqrt(jnp.square(y).sum((1, 2), keepdims=True))
            case _:
                s = nn.Conv(WIDE, (h, w), padding="VALID")(y)
        s = nn.sigmoid(nn.Dense(c)(nn.relu(nn.Dense(2)(s))))
        return x + (jnp.einsum("nhwc,nc->nhwc", y, s[:, 0, 0]) if self.how == "einsum" else y * s)


GATES = ("mean", "max", "avg_pool", "max_pool", "axis by axis", "einsum", "weighted", "norm", "conv")


class ResponseNorm(nnx.Module):
    """ConvNeXt V2's global response norm, written out."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.a, self.b = conv(3, WIDE), conv(WIDE, WIDE)
        self.gamma, self.beta = nnx.Param(jnp.zeros((1, 1, 1, WIDE))), nnx.Param(jnp.zeros((1, 1, 1, WIDE)))

    def __call__(self, x: Any) -> Any:
        x = self.a(x)
        size = jnp.sqrt(jnp.square(x).sum((1, 2), keepdims=True) + 1e-6)
        near = size / (size.mean(-1, keepdims=True) + 1e-6)
        return self.b(self.gamma[...] * (x * near) + self.beta[...] + x)


class Decoder(nnx.Module):
    """A VAE: an encoder to a vector, a decoder that reshapes it to a map."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.encode = conv(3, WIDE, strides=2)
        self.mean, self.lift = nnx.Linear(WIDE, 5, rngs=rngs), nnx.Linear(5, 4 * 4 * 8, rngs=rngs)
        self.norm = nnx.BatchNorm(8, rngs=rngs)
        self.up = nnx.ConvTranspose(8, WIDE, (4, 4), strides=(2, 2), rngs=rngs)
        self.last = conv(WIDE, 3)

    def __call__(self, x: Any) -> Any:
        code = self.mean(nnx.relu(self.encode(x)).mean((1, 2)))
        x = nnx.relu(self.norm(self.lift(code).reshape(-1, 4, 4, 8)))
        return nnx.sigmoid(self.last(nnx.relu(self.up(x))))


class StripPool(nnx.Module):
    """Strip pooling along one axis: each unit sees whole columns."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.body, self.gate = conv(3, WIDE), conv(WIDE, WIDE, 1)

    def __call__(self, x: Any) -> Any:
        x = self.body(x)
        return x * nnx.sigmoid(self.gate(x.mean(1, keepdims=True)))


class ImagePool(nn.Module):
    """ASPP's image pooling, brought back by `jax.image.resize`."""

    how: str = "bilinear"

    @nn.compact
    def __call__(self, x: Any) -> Any:
        x = nn.Conv(WIDE, (3, 3))(x)
        s = nn.Conv(WIDE, (1, 1))(x.mean((1, 2), keepdims=True))
        return nn.Conv(WIDE, (1, 1))(jnp.concatenate([x, jax.image.resize(s, x.shape, self.how)], -1))
