"""River's classifiers as figures and arrays, and back; always whole."""

from collections.abc import Collection

import numpy as np
from river import base

from models.bodies import Arrays, Rivers
from models.pickled import packed, unpacked
from models.platt import Scaling
from models.river_learner import RiverSnapshot

_FIGURES = {"thresholds": "f4", "prevalence": "f8", "scaling/slope": "f8", "scaling/shift": "f8"}  # each (K,)


def told(snapshot: RiverSnapshot) -> tuple[Rivers, Arrays]:
    """The figures and arrays of a snapshot."""
    arrays: Arrays = {
        "thresholds": snapshot.thresholds,
        "prevalence": snapshot.prevalence,
        "scaling/slope": snapshot.scaling.slope,
        "scaling/shift": snapshot.scaling.shift,
        "classifiers": np.frombuffer(packed(list(snapshot.classifiers)), np.uint8),
    }
    return Rivers(version=snapshot.version, bits=snapshot.bits), arrays


def built(said: Rivers, outputs: tuple[str, ...], arrays: Arrays, roots: Collection[str]) -> RiverSnapshot:
    """The snapshot that `told` told of. Only classes of river, numpy and the top-level packages `roots` are made.

    Raises:
        ValueError: these are no classifiers, or they do not fit the outputs.
        KeyError: an array is missing.

    """
    for name, kind in _FIGURES.items():
        if arrays[name].shape != (len(outputs),) or arrays[name].dtype != kind:
            raise ValueError(f"{name} do not fit {len(outputs)} outputs")
    classifiers = unpacked(arrays["classifiers"].tobytes(), roots)
    if not isinstance(classifiers, list) or not all(isinstance(one, base.MultiLabelClassifier) for one in classifiers):
        raise ValueError("these are no classifiers")
    return RiverSnapshot(
        version=said.version,
        outputs=outputs,
        bits=said.bits,
        thresholds=arrays["thresholds"].copy(),
        prevalence=arrays["prevalence"].copy(),
        scaling=Scaling(arrays["scaling/slope"].copy(), arrays["scaling/shift"].copy()),
        classifiers=tuple(classifiers),
    )
