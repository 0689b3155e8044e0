"""Spaces learnt from unlabelled products: the texts to learn from, and the folder that `model.encoder` takes."""

import hashlib
import heapq
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from models.coding import Malformed
from models.coding import read as read_record
from models.embeddings import text_of
from models.latent import Space
from models.messages import Product
from models.table import Floats
from service.feeds import Entry
from service.reading import Read, read_topic
from service.settings import Misconfigured

ABOUT: Final = "askance-encoder.json"
TENSORS: Final = "space.safetensors"
_FORMAT: Final = 1


class LatentEncoder:
    """A space from a folder that `write` made. What outputs are called means little in it.

    Raises:
        Misconfigured: the folder is not whole, or of another format.

    """

    knows_names: Final = False

    def __init__(self, folder: Path) -> None:
        said = f"model.encoder = {str(folder)!r}"
        try:
            about = json.loads((folder / ABOUT).read_bytes())
            data = (folder / TENSORS).read_bytes()
            if about["format"] != _FORMAT:
                raise Misconfigured(f"{said}: format {about['format']}, not {_FORMAT}; learn it anew with this version")
            if hashlib.sha256(data).hexdigest() != about["digest"]:
                raise Misconfigured(f"{said}: {TENSORS} is not what was written; learn it anew")
            held = load(data)
            self._space = Space(words=held["words"], rarity=held["rarity"], places=held["places"].astype(np.float32))
        except (OSError, ValueError, LookupError, TypeError, SafetensorError) as error:
            raise Misconfigured(f"{said}: cannot be read ({error}); learn it anew") from error
        self.dimensions, self.digest = self._space.places.shape[1], str(about["digest"])

    def encode(self, texts: Sequence[str]) -> Floats:
        return self._space.embed(texts)


def is_latent(folder: Path) -> bool:
    """Whether a folder says that it holds such a space."""
    return (folder / ABOUT).is_file()


class Sample:
    """A fixed choice of at most `limit` different texts from any number of products, wherever among them they come.

    Those whose hashes are least, so that the choice does not depend on the order.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: dict[bytes, str] = {}
        self._largest: list[tuple[int, bytes]] = []  # a heap of the negative hashes

    def add(self, product: Product) -> None:
        """Take in a product; one without any text says nothing."""
        text = text_of(product).strip()
        key = hashlib.blake2b(text.encode(errors="replace"), digest_size=16).digest()
        if text and key not in self._kept:
            self._kept[key] = text
            heapq.heappush(self._largest, (-int.from_bytes(key, "big"), key))
            if len(self._kept) > self._limit:
                del self._kept[heapq.heappop(self._largest)[1]]

    def texts(self) -> list[str]:
        """The texts chosen so far, in an order of their own."""
        return [text for _, text in sorted(self._kept.items())]


def logged(read: Read) -> Iterator[Entry | Malformed]:
    """The products that the log holds now, or what is wrong with a record."""
    for record in read_topic(read, "products"):
        try:
            yield Entry(read_record(Product, record), None)
        except Malformed as error:
            yield error


def refuse(folder: Path) -> None:
    """Refuse a place that a space cannot be written to.

    Raises:
        Misconfigured: there is something already, or the folder around it is not there.

    """
    if folder.exists():
        raise Misconfigured(f"--out {folder}: it exists already; name a new folder, or remove that one")
    if not folder.parent.is_dir():
        raise Misconfigured(f"--out {folder}: there is no folder {folder.parent}")


def write(folder: Path, space: Space, products: int) -> None:
    """Write a space, learnt from so many products, into a new folder; only a whole one ever has its name.

    Raises:
        Misconfigured: as for `refuse`.
        OSError: it could not be written; nothing of it remains.

    """
    refuse(folder)
    held: dict[str, np.ndarray[Any, Any]] = {
        "words": space.words,
        "rarity": space.rarity,
        "places": space.places.astype(np.float16),
    }
    data = save(held)
    words, dimensions = space.places.shape
    digest = hashlib.sha256(data).hexdigest()
    about = {"format": _FORMAT, "dimensions": dimensions, "words": words, "products": products, "digest": digest}
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        _put(partial / TENSORS, data)
        _put(partial / ABOUT, json.dumps(about, indent=1).encode() + b"\n")
        partial.rename(folder)
    except OSError:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _put(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
