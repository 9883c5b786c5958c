import pytest

from arcadia_dagster_tests.formats.documents import Desk


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    yield desk
    desk.reader.close()


@pytest.fixture(scope="module")
def large_desk(tmp_path_factory):
    """A desk for the many cases of a module, which are read at once."""
    desk = Desk(tmp_path_factory.mktemp("desk"))
    yield desk
    desk.reader.close()
