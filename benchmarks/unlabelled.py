"""What products without labels teach: latent semantic analysis as the encoder, against none; on docs/encoders.md.

    python benchmarks/unlabelled.py DATA [--feeds NAME ...] [--seeds N] [--limit N] [--history N] [--page FILE]

The first HISTORY products of a stream, without their answers, give words and pairs of words their places in a space of
few dimensions (Deerwester et al. 1990). Products and the names of outputs are then embedded in it, as by a pretrained
encoder. The part of the page between the two marks is replaced.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from kept import feeds_of
from labels_count import DEFAULT, mean

from models.embeddings import text_of
from models.features import Bytes
from models.latent import fit
from service.simulate import Trial, load, report, run

BEGIN, END = "<!-- unlabelled: begin -->", "<!-- unlabelled: end -->"
SHOWN = (100, 200, 400)
DIMENSIONS = 128
VARIANTS = {"none": None, "products": False, "products and names": True}  # whether names are embedded too


class Latent:
    """The space of `askance encoder learn`, fitted once, as an encoder."""

    dimensions = DIMENSIONS

    def __init__(self, texts: Sequence[str], *, knows_names: bool) -> None:
        *_, self._space = fit(texts, DIMENSIONS)
        self.knows_names = knows_names

    def embed(self, texts: Sequence[str]) -> Bytes:
        places = self._space.embed(texts)
        longest = np.maximum(np.abs(places).max(axis=1, keepdims=True, initial=0.0), 1e-9)
        whole: Bytes = np.rint(127.0 * places / longest).astype(np.int8)
        return whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with NAME.jsonl.gz and NAME.outputs.json")
    parser.add_argument("--feeds", nargs="+")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--limit", type=int, default=5_000)
    parser.add_argument("--history", type=int, default=5_000)
    parser.add_argument("--page", type=Path, default=Path("docs/encoders.md"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = ["| feed | learnt from products without labels | " + " | ".join(f"{count}" for count in SHOWN) + " |"]
    rows.append("| --- | --- |" + " ---: |" * len(SHOWN))
    for feed in feeds_of(arguments.data, arguments.feeds):
        for name, names in VARIANTS.items():
            reached = [trial_of(arguments, feed, names, seed) for seed in range(arguments.seeds)]
            cells = [f"{mean(values):.3f}" for values in zip(*reached, strict=True)]
            rows.append(f"| {feed} | {name} | " + " | ".join(cells) + " |")
            print(rows[-1], file=sys.stderr, flush=True)
    before, rest = arguments.page.read_text().split(BEGIN)
    _, after = rest.split(END)
    arguments.page.write_text(f"{before}{BEGIN}\n" + "\n".join(rows) + f"\n{END}{after}")


def trial_of(arguments: argparse.Namespace, feed: str, names: bool | None, seed: int) -> list[float]:
    """Macro-AP at the labels shown."""
    trial = Trial(policy=DEFAULT[1], share=0.11, limit=arguments.limit, seed=seed)
    data = load(arguments.data / f"{feed}.jsonl.gz", arguments.data / f"{feed}.outputs.json", trial)
    if names is not None:
        texts = [text_of(product) for product in data.stream[: arguments.history]]
        trial = replace(trial, encoder=Latent(texts, knows_names=names))
    points = report(data, trial, list(run(data, trial)))["points"]
    return [point["macro_ap"] for point in points if point["labels"] in SHOWN]


if __name__ == "__main__":
    main()
