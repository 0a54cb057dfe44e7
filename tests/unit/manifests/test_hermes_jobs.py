"""The Jobs that run Hermes once, and their script in a real shell."""

import base64
import os
import pathlib
import subprocess

from ics import names
from ics.manifests import hermes_jobs, objects
from ics.relayer import inputs, plan

OWNER = objects.Owner("alice", "provider-1", "0", "consumer1-1")
LABELS = {
    "app.kubernetes.io/managed-by": "ics-operator",
    "app.kubernetes.io/component": "relayer-step",
    "ics-operator.dev/validator": "alice",
    "ics-operator.dev/provider-chain-id": "provider-1",
    "ics-operator.dev/consumer-id": "0",
}
SIGNERS = (
    hermes_jobs.HermesSigner("provider-1", "relayer", hermes_jobs.PROVIDER_MNEMONIC),
    hermes_jobs.HermesSigner("consumer1-1", "relayer", hermes_jobs.CONSUMER_MNEMONIC),
)
STEP = hermes_jobs.HermesStep(
    name="hermes-step-1",
    image="hermes:1",
    config="hermes",
    signers=SIGNERS,
    commands=[("--json", "tx", "conn-init")],
    annotations={"note": "why"},
)
SCRIPT = """\
hermes --config /etc/hermes/config.toml --json keys add --chain provider-1 --key-name relayer \
--mnemonic-file /etc/hermes-keys/provider.mnemonic --overwrite
hermes --config /etc/hermes/config.toml --json keys add --chain consumer1-1 --key-name relayer \
--mnemonic-file /etc/hermes-keys/consumer.mnemonic --overwrite
hermes --config /etc/hermes/config.toml --json tx conn-init
"""


def test_step_job_matches_expected_manifest() -> None:
    assert hermes_jobs.step_job(OWNER, "n", STEP) == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "hermes-step-1",
            "namespace": "n",
            "labels": LABELS,
            "annotations": {"note": "why", names.CHAIN_ID: "consumer1-1"},
        },
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": 150,
            "ttlSecondsAfterFinished": 3600,
            "template": {
                "metadata": {"labels": LABELS},
                "spec": {
                    "restartPolicy": "Never",
                    "terminationGracePeriodSeconds": 5,
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "securityContext": dict(objects.POD_SECURITY),
                    "containers": [
                        {
                            "name": "hermes",
                            "image": "hermes:1",
                            "imagePullPolicy": "IfNotPresent",
                            "command": ["/bin/sh", "-ec", SCRIPT],
                            "env": [{"name": "HOME", "value": "/hermes"}],
                            "terminationMessagePolicy": "FallbackToLogsOnError",
                            "resources": {
                                "requests": {"cpu": "50m", "memory": "64Mi"},
                                "limits": {"memory": "512Mi"},
                            },
                            "securityContext": dict(objects.CONTAINER_SECURITY),
                            "volumeMounts": [
                                {"name": "config", "mountPath": "/etc/hermes", "readOnly": True},
                                {"name": "home", "mountPath": "/hermes"},
                                {"name": "keys", "mountPath": "/etc/hermes-keys", "readOnly": True},
                            ],
                        }
                    ],
                    "volumes": [
                        {"name": "config", "secret": {"secretName": "hermes", "defaultMode": 0o440}},
                        {"name": "home", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
                        {"name": "keys", "secret": {"secretName": "hermes-keys", "defaultMode": 0o440}},
                    ],
                },
            },
        },
    }


def test_check_job_mounts_only_the_config_it_is_named_after() -> None:
    name = "hermes-check-2907d44bf7b8e69e"
    setup = inputs.Setup("hermes:1", "[global]\n")
    job = hermes_jobs.check_job(OWNER, "n", setup)
    candidate = hermes_jobs.candidate(OWNER, "n", setup)
    pod = job["spec"]["template"]["spec"]

    assert plan.check_name(setup) == job["metadata"]["name"] == name
    assert candidate["kind"] == "Secret"
    assert candidate["data"] == {name: base64.b64encode(b"[global]\n").decode()}
    assert candidate["metadata"]["labels"] == LABELS | {"app.kubernetes.io/component": "relayer"}
    assert pod["containers"][0]["command"][2] == "hermes --config /etc/hermes/config.toml config validate\n"
    items = [{"key": name, "path": "config.toml"}]
    assert pod["volumes"] == [
        {
            "name": "config",
            "secret": {"secretName": "hermes-candidate", "defaultMode": 0o440, "items": items},
        },
        {"name": "home", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
    ]
    others = (inputs.Setup("hermes:1", "[global]"), inputs.Setup("hermes:2", "[global]\n"))
    assert len({name, *map(plan.check_name, others)}) == 3


def ran(folder: pathlib.Path, *commands: tuple[str, ...]) -> tuple[int, list[str]]:
    """Return the script's exit code and the arguments of each call of a Hermes that fails on `fail`."""
    program = folder / "hermes"
    program.write_text('#!/bin/sh\nprintf "%s|" "$@" >> "$LOG"; echo >> "$LOG"\n[ "$3" != fail ]\n')
    program.chmod(0o755)
    log = folder / "log"
    done = subprocess.run(
        ["/bin/sh", "-ec", hermes_jobs.script(commands)],
        env={"PATH": f"{folder}:{os.environ['PATH']}", "LOG": str(log)},
        check=False,
    )
    return done.returncode, log.read_text().splitlines()


def test_job_script_passes_arguments_unchanged(tmp_path: pathlib.Path) -> None:
    code, runs = ran(tmp_path, ("a b", "$(rm -rf /)", "it's"), ("last",))

    assert (code, runs) == (
        0,
        ["--config|/etc/hermes/config.toml|a b|$(rm -rf /)|it's|", "--config|/etc/hermes/config.toml|last|"],
    )


def test_job_script_stops_at_first_failure(tmp_path: pathlib.Path) -> None:
    code, runs = ran(tmp_path, ("fail",), ("never",))

    assert (code, runs) == (1, ["--config|/etc/hermes/config.toml|fail|"])
