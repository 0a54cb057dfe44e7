"""The reconciler in the cluster: its service account, rights, files and workload."""

import posixpath
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
_HOME = "/home/node"
"""Home of the user in the image with Pulumi, which writes there."""
_KUBECONFIG = "kubeconfig"
_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a folder's name
"""Folder in which Kubernetes mounts the service account."""
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
        *_kubeconfig(settings, owner),
    ]
    return [*_account(settings, owner), *files, _workload(settings, files, owner)]


def stack_file(settings: config_settings.Settings) -> str:
    """Return its stack file: the given settings, adapted to run inside the cluster.

    It is generated from the parsed settings, so it includes the flags and environment of the installing pass.
    It is a fixed point: a reconciler that reads it renders the same file.
    """
    values = settings.model_dump(mode="json", exclude_defaults=True)
    top = values.get("pulumi", {}).get("encryption", {}) if settings.shares_state else {}
    # Each engine can continue the other's work.
    values["engine"] = settings.engine if settings.reconciler.engine == "stack" else "apply"
    values["pulumi"] = _pulumi(settings)
    if not settings.shares_state:
        outside = ("kubeconfig", "context")
        values["cluster"] = {k: v for k, v in values.get("cluster", {}).items() if k not in outside}
    values = {key: value for key, value in values.items() if value != {}}
    for name, source in (("seed", settings.seed), ("account", settings.account)):
        secret = getattr(settings.reconciler, name) or (source.secret if source is not None else None)
        if secret is not None:
            values[name] = {"secret": secret.model_dump()}
    config = {f"{config_settings.PREFIX}{key}": value for key, value in values.items()}
    return yaml.safe_dump({**top, "config": config}, sort_keys=True, width=100)


def _pulumi(settings: config_settings.Settings) -> dict[str, Any]:
    """Return the settings of the state as its pod reaches it."""
    if not settings.shares_state:
        return {}
    values = settings.pulumi.model_dump(
        mode="json", exclude_defaults=True, exclude={"encryption", "passphrase"}
    )
    passphrase = settings.passphrase_of_reconciler
    if passphrase is not None:
        values["passphrase"] = {"secret": passphrase.model_dump()}
    return {**values, "backend": settings.state_of_reconciler}


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


def _kubeconfig(settings: config_settings.Settings, owner: objects.Owner) -> list[dict[str, Any]]:
    """Return the ConfigMap of a kubeconfig for its own service account, if it needs one.

    The state of Pulumi contains the path and the context of the stack's kubeconfig. The pod has its own at the same
    path, so that the state is the same from inside and outside, and no run can take one cluster for another.
    """
    if _kubeconfig_path(settings) is None:
        return []
    context = settings.cluster.context or _NAME
    cluster = {
        "server": "https://kubernetes.default.svc",
        "certificate-authority": f"{_TOKEN}/ca.crt",
    }
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": _NAME, "cluster": cluster}],
        "users": [{"name": _NAME, "user": {"tokenFile": f"{_TOKEN}/token"}}],
        "contexts": [{"name": context, "context": {"cluster": _NAME, "user": _NAME}}],
        "current-context": context,
    }
    metadata = owner.metadata(f"{_NAME}-{_KUBECONFIG}", names.RECONCILER, settings.gateway.namespace)
    return [objects.config_map(metadata, {_KUBECONFIG: yaml.safe_dump(content, sort_keys=True, width=100)})]


def _kubeconfig_path(settings: config_settings.Settings) -> str | None:
    """Return where Pulumi's state says that the kubeconfig is, as a path in the pod; None: it says nothing."""
    cluster = settings.cluster
    if not settings.shares_state or (cluster.kubeconfig is None and cluster.context is None):
        return None
    path = cluster.kubeconfig or "~/.kube/config"
    if path.startswith("~/"):
        path = f"{_HOME}/{path[2:]}"
    return posixpath.normpath(posixpath.join(_PROJECT, path))


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
        rights.role(
            "ClusterRole", whole, rights.in_cluster(name, settings.shares_state, rights.optional(settings))
        ),
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
    stacks = [file for file in files if not file["metadata"]["name"].endswith(_KUBECONFIG)]
    volumes: list[dict[str, Any]] = [
        {"name": "stacks", "projected": {"sources": [_source(file) for file in stacks]}},
        {"name": "tmp", "emptyDir": {}},
    ]
    if settings.shares_state:
        volumes.append({"name": "home", "emptyDir": {}})
    if _kubeconfig_path(settings) is not None:
        volumes.append({"name": _KUBECONFIG, "configMap": {"name": f"{_NAME}-{_KUBECONFIG}"}})
    if _state_path(settings) is not None:
        claim = {"claimName": settings.reconciler.state_volume}
        volumes.append({"name": "state", "persistentVolumeClaim": claim})
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
            *_mounts(settings),
        ],
    }
    if settings.shares_state:
        container["env"] = [{"name": "HOME", "value": _HOME}]
        if settings.reconciler.environment:
            container["envFrom"] = [{"secretRef": {"name": settings.reconciler.environment}}]
    port = settings.daemon.port
    if settings.reconciler.mode == "deployment" and port:
        container["ports"] = [{"name": "http", "containerPort": port, "protocol": "TCP"}]
        container["livenessProbe"] = _probe("/healthz", port, failures=6)
        container["readinessProbe"] = _probe("/readyz", port, failures=3)
    return container


def _mounts(settings: config_settings.Settings) -> list[dict[str, Any]]:
    """Return the mounts of what Pulumi needs: the kubeconfig of its state, and the state itself if it is a folder."""
    mounts: list[dict[str, Any]] = []
    if settings.shares_state:
        mounts.append({"name": "home", "mountPath": _HOME})
    kubeconfig, state = _kubeconfig_path(settings), _state_path(settings)
    if kubeconfig is not None:
        one = {"name": _KUBECONFIG, "mountPath": kubeconfig, "subPath": _KUBECONFIG, "readOnly": True}
        mounts.append(one)
    if state is not None:
        mounts.append({"name": "state", "mountPath": state})
    return mounts


def _state_path(settings: config_settings.Settings) -> str | None:
    """Return the folder of the state in the pod; None: it is not in a folder."""
    url = settings.state_of_reconciler
    if not settings.shares_state or url is None or not url.startswith(config_settings.FILE_BACKEND):
        return None
    return url.removeprefix(config_settings.FILE_BACKEND)


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
