"""What holds for all tests."""

import hypothesis

# How long an example takes says something about the machine, not about the code.
hypothesis.settings.register_profile(
    "ics",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    print_blob=True,
)
hypothesis.settings.load_profile("ics")
