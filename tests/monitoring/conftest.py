"""Programs of the tests with the real Prometheus and Alertmanager."""

import pytest

from devnet import monitoring
from devnet.progress import Progress


@pytest.fixture(scope="session")
def programs() -> monitoring.Programs:
    """Prometheus, Alertmanager and their tools, which are unpacked if they are not there yet."""
    return monitoring.ensure(Progress())
