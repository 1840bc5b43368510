import app
import pytest

from executor.audit import Configuration


@pytest.fixture(scope="session")
def isolation_configuration():
    """Attack what our users' scripts run in, with all that they are given."""
    return Configuration(
        supervisor=lambda kind: app.make_supervisor(),
        options=app.given(),
        protect=[app.SETTINGS],
        places=[app.HERE],
    )
