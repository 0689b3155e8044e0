"""The dense network: a trunk shared by all outputs, several heads per output, fixed random priors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import gelu

from models.compiled import compiled
from models.features import Features
from models.hashing import GOLDEN, mix, normals
from models.table import Floats

Parameters = dict[str, Tensor]
TRUNK: Final = ("trunk", "trunk_shift", "factors")
HEADS: Final = ("heads", "shift")  # parameters whose first axis is the outputs
_HALF: Final = np.uint64(1 << 63)
_SPREAD: Final = np.float32(0.5)  # standard deviation of fresh factors around one


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Sizes of the network."""

    width: int  # of an embedding
    sketch: int  # of the fixed random projection
    hidden: int
    members: int
    prior: float  # standard deviation of a member's random prior, in logits
    joint: bool = True  # one trunk and embedding for all outputs; else one of each per output
    shared: bool = False  # members of an output share its head, each through factors of its own


def parameters(outputs: int, shape: Shape, *, seed: int, device: torch.device) -> Parameters:
    """Fresh parameters, a function of the seed; heads start at nothing, so that the prior is all they say.

    Trunks of single outputs, (K, width, hidden), start alike. Factors of shared heads are those of BatchEnsemble (Wen,
    Tran and Ba 2020) on the last layer alone: a member's head is the output's times its own factors, one by one.
    """
    drawn = normals(shape.width * shape.hidden, seed, "trunk") * np.float32((2.0 / shape.width) ** 0.5)
    trunk = torch.from_numpy(drawn.reshape(shape.width, shape.hidden)).to(device)
    within = shape.hidden + shape.sketch
    made = {
        "trunk": trunk if shape.joint else trunk.repeat(outputs, 1, 1),
        "trunk_shift": torch.zeros(*(() if shape.joint else (outputs,)), shape.hidden, device=device),
        "heads": torch.zeros(outputs, 1 if shape.shared else shape.members, within, device=device),
        "shift": torch.zeros(outputs, shape.members, device=device),
    }
    if shape.shared:
        drawn = 1.0 + _SPREAD * normals(shape.members * within, seed, "factors").reshape(shape.members, within)
        factors = torch.from_numpy(drawn).to(device)
        made["factors"] = factors if shape.joint else factors.repeat(outputs, 1, 1)
    return made


def priors(outputs: Sequence[str], shape: Shape, *, seed: int, device: torch.device) -> Tensor:
    """Fixed random weights (K, M, sketch), by output name, that keep members apart where nothing was learnt."""
    drawn = np.zeros((len(outputs), shape.members, shape.sketch), np.float32)
    for k, name in enumerate(outputs):
        drawn[k] = normals(drawn[k].size, seed, "prior", name).reshape(drawn[k].shape)
    return torch.tensor(drawn * np.float32(shape.prior / shape.sketch**0.5), device=device)


def sketch(features: Features, values: Floats, width: int) -> Floats:
    """A fixed random projection (n, width) of the products, by hashed signs; entries of size one on average."""
    sums = np.zeros((len(features), width))
    _project(features.ids, values, features.offsets, sums)
    projected: Floats = (sums * width**0.5).astype(np.float32)
    return projected


@compiled("i8[]", "f4[]", "i8[]", "f8[,]=")
def _project(
    ids: NDArray[np.int64], values: Floats, offsets: NDArray[np.int64], sums: NDArray[np.float64]
) -> None:  # fmt: skip
    width = np.uint64(sums.shape[1])
    for product in range(len(sums)):
        for at in range(offsets[product], offsets[product + 1]):
            hashed = mix(np.uint64(ids[at]) + GOLDEN)
            sums[product, np.int64(hashed % width)] += values[at] if hashed >= _HALF else -values[at]


def logits(learnt: Mapping[str, Tensor], prior: Tensor, embedded: Tensor, sketched: Tensor, bias: Tensor) -> Tensor:
    """What every member says of every output: (n, K, M).

    Args:
        learnt: the parameters.
        prior: fixed random weights, see `priors`.
        embedded: (n, width) summed embeddings; of independent outputs one after the other, (n, K * width).
        sketched: (n, sketch) fixed random projection.
        bias: (K,) logits to start from.

    """
    heads = learnt["heads"] * learnt["factors"] if "factors" in learnt else learnt["heads"]
    outputs, members, _ = heads.shape
    if learnt["trunk"].ndim == 3:
        own = embedded.view(-1, outputs, embedded.shape[1] // max(1, outputs)).transpose(0, 1)  # (K, n, width)
        hidden = gelu(own @ learnt["trunk"] + learnt["trunk_shift"][:, None])  # (K, n, H)
        within = torch.cat((hidden, sketched.expand(outputs, -1, -1)), dim=2)  # (K, n, H + S)
        said = (within @ heads.mT).permute(1, 0, 2) + torch.einsum("ns,kms->nkm", sketched, prior)
        return said + learnt["shift"] + bias[:, None]
    hidden = gelu(embedded @ learnt["trunk"] + learnt["trunk_shift"])  # (n, H)
    within = torch.cat((hidden, sketched), dim=1)  # (n, H + S)
    said = within @ heads.flatten(0, 1).T + sketched @ prior.flatten(0, 1).T  # (n, K * M)
    return said.view(-1, outputs, members) + learnt["shift"] + bias[:, None]


class Fused(NamedTuple):
    """Heads, priors and how far members are spread, as one matrix for serving: `within @ weights + shift`."""

    weights: Tensor  # (H + S, M * K), the outputs of a member one after the other
    shift: Tensor  # (M * K,)


def fuse(learnt: Mapping[str, Tensor], prior: Tensor, bias: Tensor, mix: float, spread: float) -> Fused | None:
    """What says the same as `logits` and `blend` after each other; None where outputs have networks of their own."""
    if learnt["trunk"].ndim == 3:
        return None
    heads = learnt["heads"] * learnt["factors"] if "factors" in learnt else learnt["heads"]
    hidden = heads.shape[2] - prior.shape[2]
    said = torch.cat((heads[:, :, :hidden], heads[:, :, hidden:] + prior), dim=2)  # (K, M, H + S)
    shift = learnt["shift"]
    said = spread * said + (mix - spread) * said.mean(dim=1, keepdim=True)
    shift = spread * shift + (mix - spread) * shift.mean(dim=1, keepdim=True) + mix * bias[:, None]
    return Fused(said.transpose(0, 1).flatten(0, 1).T.contiguous(), shift.T.flatten())


def blend_fused(
    linear: Tensor, learnt: Mapping[str, Tensor], fused: Fused, embedded: Tensor, sketched: Tensor
) -> Tensor:
    """As `blend` says, (n, K, M); `linear` (n, K) has its share already."""
    (n, outputs), members = linear.shape, learnt["shift"].shape[1]
    hidden = gelu(torch.addmm(learnt["trunk_shift"], embedded, learnt["trunk"]))
    said = torch.addmm(fused.shift, torch.cat((hidden, sketched), dim=1), fused.weights)
    return said.view(n, members, outputs).add_(linear[:, None, :]).transpose(1, 2)


def blend(linear: Tensor, said: Tensor, mix: float, spread: float) -> Tensor:
    """Members' logits (n, K, M) around one mean: the linear path's logits (n, K) and a share `mix` of the network's."""
    mean = said.mean(dim=2, keepdim=True)
    return (1.0 - mix) * linear[:, :, None] + mix * mean + spread * (said - mean)


def slope(said: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """The slope of the loss by every logit, (n, K, M).

    The loss is the binary cross-entropy, summed over outputs, mean over members and products; missing targets weigh
    nothing. Only its slope is worked out, in the order in which automatic differentiation would.

    Args:
        said: (n, K, M) logits.
        targets: (n, K) share of yes, NaN where missing.
        weights: (n, K, M) how much each answer counts for each member.

    """
    given = ~torch.isnan(targets)
    goal = torch.where(given, targets, 0.0)[:, :, None]
    size = weights * (given / (said.shape[0] * said.shape[2]))[:, :, None]
    odds = torch.exp(said.abs().neg_())
    found = (size / (odds + 1.0)).mul_(odds).mul_(said.sgn().neg_())
    return found.sub_(size * goal).add_(torch.where(said >= 0.0, size, 0.0))
