"""What becomes of bytes that come in: for the tests of messages."""

import pytest

from models.coding import Malformed, decode

BOOT = {"id": "sku-1", "title": "Boot"}


def taken(kind, value, content_type=""):
    """The message, or the reason why it is none; anything else that happens is a failure."""
    try:
        return decode(kind, value, content_type=content_type)
    except Malformed as error:
        return error.reason


def refused(kind, value, **options):
    with pytest.raises(Malformed) as caught:
        decode(kind, value, **options)
    assert str(caught.value)
    return caught.value.reason
