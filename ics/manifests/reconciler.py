"""The reconciler in the cluster: its service account, rights, files and workload."""

from collections.abc import Mapping
from typing import Any

import yaml

from ics import errors, model, names
from ics.config import chain_definition
from ics.config import settings as config_settings
from ics.consumer import desired
from ics.cosmos import canonical_json
from ics.manifests import node, objects, rights

_NAME = "reconciler"
"""Name of its ServiceAccount, Role, RoleBinding, and CronJob or Deployment."""
_PROJECT = "/app"
"""The project's folder in the image."""
_DEADLINE_SECONDS = 900
"""Limit for one pass; the longest measured pass took a tenth of it."""
_LATE_SECONDS = 120
"""Delay after which a missed start of the schedule is skipped."""
_FILE_LIMIT = 700_000
"""Maximum bytes of a genesis file in a ConfigMap: an object holds 1 MiB, and base64 adds a third."""


def build(desired: desired.Desired, owner: objects.Owner) -> list[dict[str, Any]]:
    """Return all of its objects; none unless the settings enable it.

    Raises:
        SettingsError: a definition's genesis file is too large for a ConfigMap.
    """
    settings = desired.settings
    if not settings.reconciler.enabled:
        return []
    files = [
        _stack(settings, owner),
        *(_definition(definition, settings, owner) for definition in desired.definitions),
    ]
    return [*_account(settings, owner), *files, _workload(settings, files, owner)]


def stack_file(settings: config_settings.Settings) -> str:
    """Return its stack file: the given settings, adapted to run inside the cluster.

    It is generated from the parsed settings, so it includes the flags and environment of the installing pass.
    It is a fixed point: a reconciler that reads it renders the same file.
    """
    values = settings.model_dump(mode="json", exclude_defaults=True)
    outside = ("kubeconfig", "context")
    cluster = {key: value for key, value in values.pop("cluster", {}).items() if key not in outside}
    if cluster:
        values["cluster"] = cluster
    # The image does not contain Pulumi, and each engine can continue the other's work.
    values["engine"] = "apply"
    values.pop("pulumi", None)
    for name, source in (("seed", settings.seed), ("account", settings.account)):
        secret = getattr(settings.reconciler, name) or (source.secret if source is not None else None)
        if secret is not None:
            values[name] = {"secret": secret.model_dump()}
    document = {"config": {f"{config_settings.PREFIX}{key}": value for key, value in values.items()}}
    return yaml.safe_dump(document, sort_keys=True, width=100)


def _stack(settings: config_settings.Settings, owner: objects.Owner) -> dict[str, Any]:
    metadata = owner.metadata(f"{_NAME}-stack", names.RECONCILER, settings.gateway.namespace)
    # The addresses of endpoints in it may contain credentials.
    content = model.Secret(stack_file(settings))
    return objects.secret(metadata, {f"Pulumi.{settings.validator}.yaml": content})


def _definition(
    loaded: chain_definition.LoadedDefinition, settings: config_settings.Settings, owner: objects.Owner
) -> dict[str, Any]:
    """Return the ConfigMap of one definition, with its genesis file unless that is fetched from a URL."""
    values = loaded.definition.model_dump(mode="json", exclude_defaults=True)
    genesis = loaded.definition.genesis
    published = genesis.final or genesis.base
    metadata = owner.metadata(
        f"{_NAME}-chain-{loaded.definition.name}", names.RECONCILER, settings.gateway.namespace
    )
    files: dict[str, str] = {}
    if published is not None and published.file is not None:
        file = f"{loaded.definition.name}.genesis.json"
        source = values["genesis"]["final" if genesis.final else "base"]
        source["file"] = file
        if loaded.packed_sha256 and loaded.genesis is not None and published.sha256 is not None:
            source["sha256"] = canonical_json.sha256_hex(loaded.genesis)  # the copy is not compressed
        if loaded.genesis is not None:
            files[file] = _text(loaded.genesis, loaded.definition.name)
    files[f"{loaded.definition.name}.yaml"] = yaml.safe_dump(values, sort_keys=True, width=100)
    return objects.config_map(metadata, files)


def _text(content: bytes, name: str) -> str:
    if len(content) > _FILE_LIMIT:
        raise errors.SettingsError(
            f"stacks/chains/{name}.yaml: the genesis file has {len(content)} bytes, but a ConfigMap takes"
            f" {_FILE_LIMIT}; publish it, and set its url and sha256"
        )
    return content.decode()


def _account(settings: config_settings.Settings, owner: objects.Owner) -> list[dict[str, Any]]:
    home = settings.gateway.namespace
    name = f"ics-{home}-{settings.validator}"
    subject = {"kind": "ServiceAccount", "name": _NAME, "namespace": home}
    whole = owner.metadata(name, names.RECONCILER, None)
    within = owner.metadata(_NAME, names.RECONCILER, home)
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": owner.metadata(_NAME, names.RECONCILER, home),
            # Its own pod mounts the token explicitly; other pods do not get it by default.
            "automountServiceAccountToken": False,
        },
        rights.role("ClusterRole", whole, rights.in_cluster(name)),
        rights.binding("ClusterRole", whole, subject),
        rights.role("Role", within, rights.in_gateway(_NAME)),
        rights.binding("Role", within, subject),
    ]


def _workload(
    settings: config_settings.Settings, files: list[dict[str, Any]], owner: objects.Owner
) -> dict[str, Any]:
    metadata = owner.metadata(_NAME, names.RECONCILER, settings.gateway.namespace, objects.SKIP_AWAIT)
    if settings.reconciler.mode == "deployment":
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {
                "replicas": 1,
                "strategy": {"type": "Recreate"},
                "selector": {"matchLabels": owner.labels(names.RECONCILER)},
                # A change of the files that it reads at its start rolls it.
                "template": _pod(settings, files, owner, "Always", [file["data"] for file in files]),
            },
        }
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata,
        "spec": {
            "schedule": settings.reconciler.schedule,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": _LATE_SECONDS,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {
                "spec": {
                    # The next pass is the retry.
                    "backoffLimit": 0,
                    "activeDeadlineSeconds": _DEADLINE_SECONDS,
                    "template": _pod(settings, files, owner, "Never"),
                }
            },
        },
    }


def _pod(
    settings: config_settings.Settings,
    files: list[dict[str, Any]],
    owner: objects.Owner,
    restart: str,
    read_at_start: object = None,
) -> dict[str, Any]:
    notes = None if read_at_start is None else {f"{names.DOMAIN}/config": objects.checksum(read_at_start)}
    volumes = [
        {"name": "stacks", "projected": {"sources": [_source(file) for file in files]}},
        {"name": "tmp", "emptyDir": {}},
    ]
    spec = objects.pod_spec(
        [_container(settings)],
        volumes,
        serviceAccountName=_NAME,
        automountServiceAccountToken=True,
        restartPolicy=restart,
    )
    return objects.pod_template(owner.labels(names.RECONCILER), spec, settings.pods, notes)


def _container(settings: config_settings.Settings) -> dict[str, Any]:
    mode = "--watch" if settings.reconciler.mode == "deployment" else "--once"
    container: dict[str, Any] = {
        "name": _NAME,
        "image": settings.reconciler.image,
        "args": [mode, "--stack", settings.validator],
        "resources": {key: dict(value) for key, value in settings.reconciler.resources.items()},
        "securityContext": dict(objects.CONTAINER_SECURITY),
        "volumeMounts": [
            {"name": "stacks", "mountPath": f"{_PROJECT}/stacks", "readOnly": True},
            {"name": "tmp", "mountPath": node.TEMPORARY},
        ],
    }
    port = settings.daemon.port
    if settings.reconciler.mode == "deployment" and port:
        container["ports"] = [{"name": "http", "containerPort": port, "protocol": "TCP"}]
        container["livenessProbe"] = _probe("/healthz", port, failures=6)
        container["readinessProbe"] = _probe("/readyz", port, failures=3)
    return container


def _probe(path: str, port: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": port},
        "periodSeconds": 10,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }


def _source(file: Mapping[str, Any]) -> dict[str, Any]:
    """Return the projection of a file: the stack file, a Secret, at the top, definitions in `chains`."""
    name = file["metadata"]["name"]
    is_stack = file["kind"] == "Secret"
    items = [{"key": key, "path": key if is_stack else f"chains/{key}"} for key in sorted(file["data"])]
    return {"secret" if is_stack else "configMap": {"name": name, "items": items}}
