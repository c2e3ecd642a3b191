"""Make `files/digits.npz` from scikit-learn's copy of the digits: `python -m cnnlab.data.freeze_digits`."""

from dataclasses import asdict

import numpy as np

from cnnlab.data.digits import CANVAS, CLASSES, FILE, SIDE, TEST_IMAGES, Digits
from cnnlab.data.drawing import quotas

STREAM = 0xD161
"""Seed of the places and of the test set, drawn from NumPy's legacy generator, whose numbers never change (NEP 19)."""


def frozen_anew() -> Digits:
    """Draw the content of the file again."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images, labels = images.reshape(-1, SIDE, SIDE).astype(np.uint8), labels.astype(np.uint8)
    random = np.random.RandomState(STREAM)
    row, column = random.randint(0, CANVAS - SIDE + 1, size=(2, len(labels))).astype(np.uint8)
    shuffled = random.permutation(len(labels))
    test = np.zeros(len(labels), bool)
    for label, share in enumerate(quotas(TEST_IMAGES, np.bincount(labels, minlength=CLASSES))):
        test[shuffled[labels[shuffled] == label][:share]] = True
    return Digits(images=images, labels=labels, row=row, column=column, test=test)


if __name__ == "__main__":
    np.savez_compressed(FILE, **asdict(frozen_anew()))
    print(f"wrote {FILE} ({FILE.stat().st_size} bytes)")
