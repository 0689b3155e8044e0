"""The service that tests break."""

import pytest

from shared.shop import Shop


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path / "data")
