"""The short forms: see rows.py."""

from pathlib import Path

import pytest

from tests.faults.rows import ROWS

pytestmark = pytest.mark.slow(10)


@pytest.mark.parametrize("row", ROWS)
def test_fault(row: str, tmp_path: Path) -> None:
    found = ROWS[row](tmp_path, False)
    assert found.tried > 0
    assert not found.failed, "\n".join(found.failed)
