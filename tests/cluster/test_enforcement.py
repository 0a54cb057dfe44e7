"""NetworkPolicies as kube-network-policies enforces them: who reaches what is what `reachability` judges."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from devnet import cache, places, policies
from devnet.progress import Progress
from tests.cluster import apiserver
from tests.unit.manifests import reaching

pytestmark = pytest.mark.cluster


def test_what_is_enforced_is_what_the_table_says(tmp_path: pathlib.Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, because it creates network namespaces")
    programs = apiserver.programs()
    assert programs is not None, "etcd and the all-in-one kubernetes binary are needed"
    program = cache.ensure(policies.recipe(), Progress()) / policies.PROGRAM
    words = [sys.executable, "-m", "tests.cluster.enforcing", tmp_path, *programs, program]

    done = subprocess.run(
        ["unshare", "--net", *map(str, words)],
        cwd=places.CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    # Without policies everything is open but an IPv6 address, which no end has here.
    asked = reaching.questions(reaching.scene()[1])
    assert found["before"] == reaching.table(asked, lambda one: "IPv6" not in one.target)
    print(found["enforced"])
    assert found["enforced"] == reaching.EXPECTED
