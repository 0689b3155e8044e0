"""The broker that scripts share which do it no harm."""

from types import SimpleNamespace

import pytest


@pytest.fixture
def shared_broker(broker):
    return SimpleNamespace(servers=broker)
