"""The CNN of a Linen tutorial, with dropout and batch norm behind two flags."""

import flax.linen as nn


class CNN(nn.Module):
    width: int = 8
    rate: float = 0.5
    classes: int = 10

    @nn.compact
    def __call__(self, x, train: bool, deterministic: bool):
        x = nn.Conv(self.width, (3, 3))(x)
        x = nn.BatchNorm(use_running_average=not train, momentum=0.9)(x)
        x = nn.max_pool(nn.relu(x), (2, 2), strides=(2, 2))
        x = nn.relu(nn.Conv(2 * self.width, (3, 3))(x))
        x = x.reshape((x.shape[0], -1))
        x = nn.Dropout(self.rate, deterministic=deterministic)(x)
        return nn.Dense(self.classes)(x)
