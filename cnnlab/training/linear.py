"""Logistic regression on a task, the linear baseline: a task tells designs apart only if a net beats it."""

import functools

from cnnlab.data import Source, draw
from cnnlab.training.members import dataset
from cnnlab.training.run import LinearFit

REGULARISATION = 1.0
"""Inverse L2 strength `C`, scikit-learn's default; the bar is meant to be ordinary, not tuned."""


@functools.lru_cache(maxsize=64)
def fit(item: LinearFit, source: Source) -> float:
    """Validation accuracy, a fraction, of scikit-learn's multinomial logistic regression on one seed's draw."""
    from sklearn.linear_model import LogisticRegression

    train, validation = draw(dataset(item.task, source), item.task, item.seed)
    model = LogisticRegression(C=REGULARISATION, max_iter=2000)
    model.fit(train.images.reshape(len(train.labels), -1), train.labels)
    return float(model.score(validation.images.reshape(len(validation.labels), -1), validation.labels))
