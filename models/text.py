"""What counts as a letter and which letters are the same: fixed here, not by the platform's Unicode tables."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint32]

_CODES: Final = 0x110000


def _letters() -> NDArray[np.bool_]:
    table = np.zeros(_CODES, dtype=np.bool_)
    for first, last in ((0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A), (0xC0, _CODES - 1)):
        table[first : last + 1] = True
    table[[0xAA, 0xB2, 0xB3, 0xB5, 0xB9, 0xBA]] = True
    table[[0xD7, 0xF7]] = False
    # General and CJK punctuation, arrows to dingbats, full-width signs, private use, surrogates.
    for first, last in (
        (0x2000, 0x206F), (0x2190, 0x2BFF), (0x2E00, 0x2E7F), (0x3000, 0x3004), (0x3008, 0x3020),
        (0xD800, 0xF8FF), (0xFE10, 0xFE1F), (0xFE30, 0xFE6F), (0xFEFF, 0xFEFF), (0xFF00, 0xFF0F), (0xFF1A, 0xFF20),
        (0xFFE0, 0xFFFF),
    ):  # fmt: skip
        table[first : last + 1] = False
    return table


def _lower() -> Codes:
    table = np.arange(_CODES, dtype=np.uint32)
    for first, last, shift in (
        (0x41, 0x5A, 32), (0xC0, 0xD6, 32), (0xD8, 0xDE, 32),
        (0x391, 0x3A1, 32), (0x3A3, 0x3AB, 32), (0x410, 0x42F, 32), (0x400, 0x40F, 80),
    ):  # fmt: skip
        table[first : last + 1] += np.uint32(shift)
    # Alternating capital and small: even capitals here, odd ones there.
    for first, last in ((0x100, 0x136), (0x14A, 0x176), (0x460, 0x480), (0x48A, 0x4BE), (0x4D0, 0x52E)):
        table[first : last + 1 : 2] += np.uint32(1)
    for first, last in ((0x139, 0x147), (0x179, 0x17D)):
        table[first : last + 1 : 2] += np.uint32(1)
    table[0x130] = 0x69
    table[0x178] = 0xFF
    return table


LOWER: Final = _lower() + np.uint32(1)  # a number for each code point, the same for capitals and small letters
LETTERS: Final = np.where(_letters()[_lower()], LOWER, np.uint32(0))  # 0 for those that are no part of words
for _table in (LOWER, LETTERS):
    _table.flags.writeable = False


def code_points(text: str) -> Codes:
    """The text's code points, one per character of `text`."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
