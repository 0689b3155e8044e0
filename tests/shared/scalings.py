"""Scalings of scores that tests look at."""

import numpy as np

from models.platt import Scaling


def neutral(scaling: Scaling) -> bool:
    return bool(np.all(scaling.slope == 1.0) and np.all(scaling.shift == 0.0))
