"""The secret key of the draws: who knows it can foresee which arrivals are asked about."""

import hashlib
import os
import secrets
from pathlib import Path

from service.settings import Misconfigured, Settings


def key_of(settings: Settings, *, make: bool) -> bytes:
    """The secret key of the draws: from the settings, else kept beside the ledger, whose lock makes it with `make`.

    Raises:
        Misconfigured: there is none, and it is not to be made.

    """
    if settings.asking.seed:
        return hashlib.blake2b(settings.asking.seed.encode(), digest_size=32).digest()
    path = settings.data_dir / "seed"
    try:
        if make and not path.exists():
            _make_seed(path)
        seed = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(
            f"asking.seed: not given, and {path} cannot be used ({error}); the draws need one secret, the same in "
            "every process of the stream: set asking.seed (ASKANCE_ASKING__SEED), or put the file there"
        ) from error
    if not seed:
        raise Misconfigured(f"asking.seed: not given, and {path} is empty; bring it back, or remove it for a new one")
    return hashlib.blake2b(seed.encode(), digest_size=32).digest()


def _make_seed(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
