"""How large a product may be, so that what it leads to fits into a record."""

from collections.abc import Sequence
from typing import Final

from models.watched import BUSIEST, MOST_TOLD
from producers.topics import MAX_RECORD
from service.decisions import MOST_TERMS
from service.settings import Misconfigured

LEAST_PRODUCT: Final = 100_000  # bytes that a product may always have


def room_for(outputs: Sequence[str], wanted: int) -> int:
    """The largest product taken in, up to `wanted`, so that its query with all its terms fits into one record.

    Raises:
        Misconfigured: the outputs alone fill a record.

    """
    lengths = [len(output.encode()) + 3 for output in outputs]
    query = 13 * len(outputs) + 3 * sum(lengths) + MOST_TERMS * 3 * (max(lengths) + 9)
    tally = sum(lengths) + 85 * len(outputs) + MOST_TOLD + sum(sorted(lengths)[-BUSIEST:])
    left = MAX_RECORD - max(query, tally) - 10_000  # for all else that a query says
    if left < LEAST_PRODUCT:
        raise Misconfigured(
            f"outputs: {len(outputs)} with {sum(lengths):,} characters are too many for one query; "
            "name fewer, or give them shorter names"
        )
    return min(wanted, left)
