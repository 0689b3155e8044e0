"""Encoders: loaded, cached by text, and kept to the byte for what was learnt from."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import torch

from models.embeddings import TEXT
from models.features import Bytes
from models.table import Floats
from service.latent_file import LatentEncoder, is_latent
from service.ledger import Ledger
from service.settings import Misconfigured

MOST_DIMENSIONS: Final = 4_096
PINNED: Final = 16  # hex digits of a digest in a name
BATCHES: Final[Mapping[str, int]] = {"cpu": 64, "cuda": 512}  # texts encoded at once
_PROBE: Final = "Askance: 12 red running-shoes, Größe 42 (été)"  # how it is cut into tokens is part of an encoder


class Source(Protocol):
    """An encoder, which may differ in the last bit from batch to batch."""

    @property
    def dimensions(self) -> int: ...
    @property
    def digest(self) -> str:
        """Names the encoder by what it holds, wherever it lies."""

    @property
    def knows_names(self) -> bool:
        """Whether the names of outputs lie near the products that they mean."""

    def encode(self, texts: Sequence[str]) -> Floats:
        """One finite row for each text, (n, d)."""


class Nothing:
    """No encoder."""

    dimensions: Final = 0
    digest: Final = ""
    knows_names: Final = False

    def encode(self, texts: Sequence[str]) -> Floats:
        return np.zeros((len(texts), 0), np.float32)


class SentenceEncoder:
    """A sentence-transformers model from a folder, or by its name in a model hub.

    Raises:
        Misconfigured: the extra is not installed, nothing can be loaded from there, or the device is not there.

    """

    knows_names: Final = True

    def __init__(self, name: str, device: str) -> None:
        said = f"model.encoder = {name!r}"
        try:
            from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - an optional extra, slow to load
            from transformers.utils.logging import disable_progress_bar  # noqa: PLC0415
        except ImportError as error:
            raise Misconfigured(f"{said}: {error}; install the extra: pip install 'askance[encoders]'") from error
        if name.startswith(("/", ".", "~")) and not Path(name).expanduser().is_dir():
            raise Misconfigured(f"{said}: there is no such folder")
        self._device = _device(device)
        try:
            disable_progress_bar()  # type: ignore[no-untyped-call]  # it has no types
            where = str(Path(name).expanduser()) if name.startswith("~") else name
            self._model: Any = SentenceTransformer(where, device=str(self._device))
        except (OSError, ValueError, RuntimeError, LookupError, TypeError) as error:
            raise Misconfigured(
                f"{said}: neither a folder with a sentence-transformers model nor the name of one that can be "
                f"fetched ({type(error).__name__}: {error})"
            ) from error
        self.dimensions = int(self.encode(["probe"]).shape[1])
        if self.dimensions > MOST_DIMENSIONS:
            raise Misconfigured(f"{said}: {self.dimensions} dimensions; {MOST_DIMENSIONS} at most are expected")
        self.digest = _digest(self._model)

    def encode(self, texts: Sequence[str]) -> Floats:
        size = BATCHES.get(self._device.type, BATCHES["cpu"])
        rows = self._model.encode(list(texts), batch_size=size, show_progress_bar=False, convert_to_numpy=True)
        finite: Floats = np.nan_to_num(np.asarray(rows, np.float32))
        return finite


def _device(named: str) -> torch.device:
    there = torch.cuda.is_available()
    if named == "auto":
        return torch.device("cuda" if there else "cpu")
    try:
        device = torch.device(named)
    except RuntimeError as error:
        raise Misconfigured(f"model.encoder_device = {named!r}: no such device; take 'auto' or 'cpu'") from error
    if device.type == "cuda" and not there:
        raise Misconfigured(f"model.encoder_device = {named!r}: no GPU can be used here; take 'auto' or 'cpu'")
    return device


def _digest(model: Any) -> str:
    """SHA-256 over the weights, the longest text, and how a text is cut into tokens."""
    total = hashlib.sha256(f"{model.max_seq_length} {model.tokenizer(_PROBE)['input_ids']}\n".encode())
    for name, value in sorted(model.state_dict().items()):
        total.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        total.update(value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


class Cached:
    """A source, asked once for each of the texts seen lately; embeddings in whole numbers of -127 to 127."""

    def __init__(self, source: Source, limit: int) -> None:
        """Remember at most `limit` texts, those not asked for longest forgotten first."""
        self.source, self.limit = source, limit
        self.dimensions, self.digest, self.knows_names = source.dimensions, source.digest, source.knows_names
        self.found = self.encoded = 0  # texts ever answered from memory, and by the source
        self._rows: OrderedDict[bytes, Bytes] = OrderedDict()

    def embed(self, texts: Sequence[str]) -> Bytes:
        """One row for each text, (n, d)."""
        if not self.dimensions:
            return np.zeros((len(texts), 0), np.int8)
        keys = [key_of(text) for text in texts]
        missing = {key: text[:TEXT] for key, text in zip(keys, texts, strict=True) if key not in self._rows}
        fresh = dict(zip(missing, whole(self.source.encode(list(missing.values()))), strict=True)) if missing else {}
        self.encoded += len(fresh)
        self.found += len(keys) - len(fresh)
        result = np.zeros((len(keys), self.dimensions), np.int8)
        for i, key in enumerate(keys):
            result[i] = fresh[key] if key in fresh else self._rows[key]
        for key in keys:
            if key in self._rows:
                self._rows.move_to_end(key)
            else:
                self._rows[key] = fresh[key]
        while len(self._rows) > self.limit:
            self._rows.popitem(last=False)
        return result


class Kept:
    """An encoder whose every answer is kept in the ledger and given again, to the byte.

    A learner that asks here becomes the same on a restart and a rebuild, whatever the device, batch or threads. A
    ledger that is only read answers what it holds; the rest is encoded and not kept.
    """

    def __init__(self, encoder: Cached, ledger: Ledger) -> None:
        self._encoder, self._kept = encoder, ledger.embeddings
        self.dimensions, self.knows_names = encoder.dimensions, encoder.knows_names

    def embed(self, texts: Sequence[str]) -> Bytes:
        if not self.dimensions:
            return np.zeros((len(texts), 0), np.int8)
        keys = [key_of(text) for text in texts]
        kept = self._kept.kept(self._encoder.digest, keys)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in kept}
        if missing:
            fresh = self._encoder.embed(list(missing.values()))
            added = {key: row.tobytes() for key, row in zip(missing, fresh, strict=True)}
            self._kept.keep(self._encoder.digest, added)
            kept |= added
        return np.frombuffer(b"".join(kept[key] for key in keys), np.int8).reshape(len(keys), self.dimensions)


def key_of(text: str) -> bytes:
    """What a text is known by."""
    return hashlib.blake2b(text[:TEXT].encode(errors="replace"), digest_size=16).digest()


def whole(rows: Floats) -> Bytes:
    """Rows in whole numbers, the largest of each 127 in size; a hundredth of a degree or so is lost."""
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=1e-12)
    scaled: Bytes = np.rint(rows * (127.0 / largest)).astype(np.int8)
    return scaled


class Encoders:
    """Encoders by name, pretrained or learnt from a feed, each loaded when it is first asked for."""

    def __init__(self, device: str, cache: int) -> None:
        """Load none yet; each is to run on `device` and remember `cache` texts."""
        self._device, self._cache = device, cache
        self._loaded: dict[str, Cached] = {"": Cached(Nothing(), 1)}

    def pinned(self, name: str) -> str:
        """The name with what the encoder holds, `NAME#DIGEST`, so that another in its place is noticed.

        Raises:
            Misconfigured: as for `SentenceEncoder` and `LatentEncoder`.

        """
        where = name.partition("#")[0]
        return f"{where}#{self.of(where).digest[:PINNED]}" if where else ""

    def of(self, name: str) -> Cached:
        """The encoder of that name, pinned or not.

        Raises:
            Misconfigured: as for `pinned`; or it holds another than the name is pinned to.

        """
        where, _, digest = name.partition("#")
        if where not in self._loaded:
            folder = Path(where).expanduser()
            learnt = is_latent(folder)
            source: Source = LatentEncoder(folder) if learnt else SentenceEncoder(where, self._device)
            self._loaded[where] = Cached(source, self._cache)
        found = self._loaded[where]
        if digest and not found.digest.startswith(digest):
            raise Misconfigured(
                f"model.encoder = {where!r}: another encoder lies there ({found.digest[:PINNED]}) than was learnt "
                f"with ({digest}); bring that back, or choose a model without it"
            )
        return found

    def counts(self) -> tuple[int, int]:
        """Texts ever found in memory, and encoded, by all of them."""
        return sum(one.found for one in self._loaded.values()), sum(one.encoded for one in self._loaded.values())
