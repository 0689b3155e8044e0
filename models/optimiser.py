"""The two optimisers: AdamW for dense parameters, one adaptive rate per row for the touched rows of a table."""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.table import Floats


@dataclass(slots=True)
class AdamW:
    """AdamW (Loshchilov and Hutter 2019) over named tensors, with a warm-up and a bound on the gradient's length.

    Where `apart`, the bound is on the gradient of each place along the first axis, which all tensors then share.
    """

    rates: dict[str, float]
    decay: float = 0.01
    warm: int = 50
    bound: float = 5.0
    apart: bool = False
    steps: int = 0
    first: dict[str, Tensor] = field(default_factory=dict)
    second: dict[str, Tensor] = field(default_factory=dict)

    def step(self, parameters: dict[str, Tensor], gradients: dict[str, Tensor]) -> None:
        """Move the parameters in place against their gradients."""
        self.steps += 1
        if self.apart:
            gradients, shrink = self._bounded(gradients), 1.0
        else:
            total = torch.sqrt(sum((g.square().sum() for g in gradients.values()), torch.zeros(())))
            shrink = float(min(1.0, self.bound / max(float(total), 1e-12)))
        warm = min(1.0, self.steps / self.warm)
        for name, gradient in gradients.items():
            if name not in self.first:
                self.first[name] = torch.zeros_like(gradient)
                self.second[name] = torch.zeros_like(gradient)
            first, second, rate = self.first[name], self.second[name], self.rates[name] * warm
            first.mul_(0.9).add_(gradient, alpha=0.1 * shrink)
            second.mul_(0.99).addcmul_(gradient, gradient, value=0.01 * shrink * shrink)
            size = (second / (1.0 - 0.99**self.steps)).sqrt_().add_(1e-8)
            away = (first / (1.0 - 0.9**self.steps)).div_(size)
            parameters[name].mul_(1.0 - rate * self.decay).add_(away, alpha=-rate)

    def _bounded(self, gradients: dict[str, Tensor]) -> dict[str, Tensor]:
        total = torch.stack([g.flatten(1).square().sum(1) for g in gradients.values()]).sum(0).sqrt()
        shrink = (self.bound / total.clamp(min=1e-12)).clamp(max=1.0)
        return {name: g * shrink.view(-1, *[1] * (g.ndim - 1)) for name, g in gradients.items()}


def step_rows(table: Floats, sums: Floats, rows: NDArray[np.int64], gradient: Floats, rate: float) -> None:
    """Move some rows against their gradient, each at its own rate: AdaGrad with one sum per row.

    Args:
        table: (rows, width), changed in place.
        sums: (rows,) mean squared gradients so far, changed in place.
        rows: distinct row numbers.
        gradient: (len(rows), width), used up.
        rate: length of a first step.

    """
    sums[rows] += np.mean(gradient * gradient, axis=1)
    gradient *= np.float32(rate)
    gradient /= (np.sqrt(sums[rows]) + np.float32(1e-8))[:, None]
    table[rows] -= gradient
