"""Turns text into what can be compared: prompt shapes, vectors and cells. Each encoder has a name
and a version.
"""

from gamekeeper.encoding.content import ContentEncoder, load_encoder
from gamekeeper.encoding.feature_scale import FeatureScale, scale_features
from gamekeeper.encoding.payload import Payloads
from gamekeeper.encoding.shape import SHAPE_ENCODER, fragments
from gamekeeper.encoding.sketch import cells

__all__ = [
    "SHAPE_ENCODER",
    "ContentEncoder",
    "FeatureScale",
    "Payloads",
    "cells",
    "fragments",
    "load_encoder",
    "scale_features",
]
