"""What a colour baseline and a texture baseline make of tiles of many slides."""

import numpy as np
import pytest
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def _texture_features(tile):
    """Describe a tile without its colour: contrast by scale, its skewness, and white space."""
    small = tile.astype(np.float32).reshape(128, 2, 128, 2, 3).mean(axis=(1, 3))
    density = -np.log((small + 1) / 250).sum(axis=2)
    density = (density - density.mean()) / (density.std() + 1e-6)
    features = [*np.percentile(density, [1, 5, 25, 50, 75, 95, 99])]
    for sigma in (1, 2, 4, 8, 16):
        band = ndimage.gaussian_filter(density, sigma) - ndimage.gaussian_filter(
            density, 1.6 * sigma
        )
        unit = band / (band.std() + 1e-6)
        features += [np.log(band.std() + 1e-6), (unit**3).mean(), np.log((unit**4).mean())]
    features.append((small.min(axis=2) > small.max() - 25).mean())
    return features


def _split_accuracy(model, features, label, is_train):
    model.fit(features[is_train], label[is_train])
    return balanced_accuracy_score(label[~is_train], model.predict(features[~is_train]))


def _baselines(tiles, label, slide, n_splits=4):
    """Mean balanced accuracy over slide-wise half splits: of colour means (5-nn), of texture."""
    label, slide = np.asarray(label), np.asarray(slide)
    colour = np.array([tile.mean(axis=(0, 1)) for tile in tiles])
    texture = np.array([_texture_features(tile) for tile in tiles])
    scores = []
    for split in range(n_splits):
        rng = np.random.default_rng(split)
        is_train = np.zeros(len(label), dtype=bool)
        for one in np.unique(label):
            slides = rng.permutation(np.unique(slide[label == one]))
            is_train |= (label == one) & np.isin(slide, slides[: len(slides) // 2])
        by_texture = make_pipeline(StandardScaler(), LogisticRegression(max_iter=3000))
        scores.append(
            (
                _split_accuracy(KNeighborsClassifier(5), colour, label, is_train),
                _split_accuracy(by_texture, texture, label, is_train),
            )
        )
    return np.mean(scores, axis=0)


@pytest.fixture(scope="session")
def baselines():
    """Function of tiles, labels and slides: (balanced accuracy of colour means, of texture)."""
    return _baselines
