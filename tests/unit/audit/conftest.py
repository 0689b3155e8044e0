import pytest

from shared.audited import Shop


@pytest.fixture
def shop(tmp_path):
    shop = Shop(tmp_path)
    yield shop
    shop.reader.close()
    shop.writer.close()
