"""Jobs that write the sign state of one key on one volume, or its mark: empty for a new key, at a height after a reset.

They are run-time state: the reconciler creates one once the request is recorded, and deletes it when it is done.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ics import model, names
from ics.config import pods, provider_node
from ics.consumer import key_check as consumer_key_check
from ics.consumer import reset as reset_rules
from ics.cosmos import canonical_json
from ics.manifests import key_check, objects

_RETRIES = 3
"""Number of failed pods after which the Job fails."""
DEADLINE_SECONDS = 600
"""Time for volume, image and work; a Job that takes longer is created again, and so scheduled again."""
_KEPT_SECONDS = 86400
"""Lifetime of Jobs that failed or that a crash left behind; the reconciler deletes the others itself."""
NO_SETTINGS = pods.PodSettings.defaults()
EMPTY = model.SignedState(height=0, round=0, step=0)
"""Sign state of a key that has signed nothing."""

SCRIPT = f"""\
set -eu
umask 077
{key_check.MARK_FUNCTIONS}
if [ "$POD_NAMESPACE" != "$NAMESPACE" ]; then
  echo "this Job was copied from namespace $NAMESPACE; nothing is written" >&2
  exit 1
fi
memory="{names.SIGNING_PATH}/$KEY_ADDRESS"
state="$memory/priv_validator_state.json"
found=missing
if [ -e "$state" ]; then
  content=$(cat "$state")
  # A power failure may leave an empty or truncated file; a complete one ends with a brace.
  case "$content" in
    \\{{*'"height"'*\\}}) found=complete ;;
    *) found=broken ;;
  esac
fi
if [ -z "$RESET" ] && [ "$found" = complete ]; then
  echo "the sign state of $KEY_ADDRESS exists and is kept"
  exit 0
fi
if [ -z "$RESET" ] && [ "$found" = broken ]; then
  echo "the sign state of $KEY_ADDRESS is empty or truncated, so the record of signed blocks is lost" >&2
  exit 1
fi
if [ "$found" = complete ]; then
  height=$(printf '%s' "$content" | sed -n 's/.*"height": *"\\([0-9]*\\)".*/\\1/p')
  round=$(printf '%s' "$content" | sed -n 's/.*"round": *\\([0-9]*\\).*/\\1/p')
  step=$(printf '%s' "$content" | sed -n 's/.*"step": *\\([0-9]*\\).*/\\1/p')
  if [ -z "$height" ] || [ -z "$round" ] || [ -z "$step" ]; then
    found=broken
  # A higher one is kept, because that much is signed; an equal one is of an earlier run of this Job.
  elif [ "$height" -gt "$HEIGHT" ]; then
    found=later
  elif [ "$height" -eq "$HEIGHT" ] && [ "$round" -gt "$ROUND" ]; then
    found=later
  elif [ "$height" -eq "$HEIGHT" ] && [ "$round" -eq "$ROUND" ] && [ "$step" -ge "$STEP" ]; then
    found=later
  fi
fi
mkdir -p "$memory"
# The mark comes first: a sign state without one is never used.
{{
  echo "address $KEY_ADDRESS"
  echo "namespace $POD_NAMESPACE"
  cluster_certificates
}} > "$memory/mark.new"
if [ "$found" = later ]; then
  mv "$memory/mark.new" "$memory/mark"
  echo "the sign state of $KEY_ADDRESS is at height $height, round $round, step $step, and is kept"
  exit 0
fi
if [ "$found" != missing ]; then
  number=1
  while [ -e "$state.replaced-$number" ]; do number=$((number + 1)); done
  mv "$state" "$state.replaced-$number"
fi
mv "$memory/mark.new" "$memory/mark"
printf '{{"height":"%s","round":%s,"step":%s}}' "$HEIGHT" "$ROUND" "$STEP" > "$state.new"
mv "$state.new" "$state"
echo "created the sign state of $KEY_ADDRESS at height $HEIGHT, round $ROUND, step $STEP"
"""


MARK_SCRIPT = f"""\
set -eu
umask 077
{key_check.MARK_FUNCTIONS}
mark="{names.SIGNING_PATH}/$KEY_ADDRESS/mark"
# Only the mark of this very place is extended: that of a copy stays what it is.
for line in "address $KEY_ADDRESS" "namespace $POD_NAMESPACE"; do
  if ! grep -qxF "$line" "$mark"; then
    echo "the mark of $KEY_ADDRESS lacks '$line', so it is not extended" >&2
    exit 1
  fi
done
cat "$mark" > "$mark.new"
cluster_certificates | while IFS= read -r line; do
  grep -qxF "$line" "$mark.new" || echo "$line" >> "$mark.new"
done
mv "$mark.new" "$mark"
echo "the mark of $KEY_ADDRESS knows the certificates of this cluster"
"""
"""Adds this cluster's certificates to a mark; the earlier ones stay, for a CA may be rotated back."""


def mark_job_name(volume_uid: str, certificates: Sequence[str]) -> str:
    """Return the name of the Job that adds certificates, given by their hashes, to the mark on one volume."""
    digest = canonical_json.sha256_hex(",".join(certificates).encode())[:8]
    return f"mark-{volume_uid[:8]}-{digest}"


def mark_job(
    owner: objects.Owner,
    namespace: str,
    volume_uid: str,
    address: str,
    image: str,
    certificates: Sequence[str],
    settings: pods.PodSettings = NO_SETTINGS,
) -> model.Manifest:
    """Return the Job that adds this cluster's certificates to the mark beside a sign state.

    Args:
        owner: the key's chain.
        namespace: of the chain.
        volume_uid: of the current PersistentVolumeClaim.
        address: of the key, upper-case hex.
        image: any with a POSIX shell, cat, mv, grep and sha256sum.
        certificates: sha256 (hex) of the certificates that the cluster publishes now.
        settings: of the pod.
    """
    notes = {
        names.CONSENSUS_ADDRESS: address,
        names.CLUSTER_CERTIFICATES: consumer_key_check.to_annotation(certificates),
    }
    container = _container(MARK_SCRIPT, {"KEY_ADDRESS": address}, image)
    return _job(owner, mark_job_name(volume_uid, certificates), namespace, notes, container, settings)


def name(volume_uid: str) -> str:
    """Return the name of the Job for one volume."""
    return f"sign-state-{volume_uid[:8]}"


def job(
    owner: objects.Owner,
    namespace: str,
    volume_uid: str,
    address: str,
    image: str,
    reset: model.SignedState | None = None,
    certificates: Sequence[str] = (),
    settings: pods.PodSettings = NO_SETTINGS,
) -> model.Manifest:
    """Return the Job.

    Args:
        owner: the key's chain.
        namespace: of the chain.
        volume_uid: of the current PersistentVolumeClaim.
        address: of the key, upper-case hex.
        image: any with a POSIX shell, cat, mkdir, mv, sed and sha256sum; the node's own, as it is pulled anyway.
        reset: what the operator confirmed, for a key that may have signed before: it replaces a sign state that is
            broken or lower. None: an empty one is created, unless there is one.
        certificates: sha256 (hex) of the certificates that the cluster publishes now, for the record.
        settings: of the pod.
    """
    notes = {names.VOLUME_UID: volume_uid, names.CONSENSUS_ADDRESS: address}
    if reset is not None:
        notes[names.SIGN_STATE_RESET] = reset_note(reset)
    if certificates:
        notes[names.CLUSTER_CERTIFICATES] = consumer_key_check.to_annotation(certificates)
    environment = {"KEY_ADDRESS": address, "NAMESPACE": namespace, **_environment(reset)}
    container = _container(SCRIPT, environment, image)
    return _job(owner, name(volume_uid), namespace, notes, container, settings)


def _of_provider(script: str) -> str:
    """Return a script that runs another script for the provider node's key, and adds the claim to the mark after it.

    The address of that key is only in the mounted file. A mark without its claim is refused, so that a crash in between
    lets nothing sign.
    """
    return f"""\
set -eu
umask 077
{key_check.READ_ADDRESS}
if [ -z "$address" ]; then
  echo "priv_validator_key.json has no address; nothing is written" >&2
  exit 1
fi
KEY_ADDRESS=$address
(
{script}
)
mark="{names.SIGNING_PATH}/$KEY_ADDRESS/mark"
if ! grep -qxF "claim $CLAIM_UID" "$mark"; then
  cat "$mark" > "$mark.new"
  echo "claim $CLAIM_UID" >> "$mark.new"
  mv "$mark.new" "$mark"
fi
"""


PROVIDER_SCRIPT = _of_provider(SCRIPT)
PROVIDER_MARK_SCRIPT = _of_provider(MARK_SCRIPT)


def provider_job_name(volume_uid: str) -> str:
    """Return the name of the Job that writes the provider node's sign state on one volume."""
    return f"{names.PROVIDER_SIGN_STATE}-{volume_uid[:8]}"


def provider_job(
    owner: objects.Owner,
    namespace: str,
    node: provider_node.ProviderNodeSettings,
    volume_uid: str,
    reset: model.SignedState,
    certificates: Sequence[str],
    settings: pods.PodSettings = NO_SETTINGS,
) -> model.Manifest:
    """Return the Job that writes mark and sign state of the provider node's key, by its operator's order.

    A complete sign state on the volume that is higher than the ordered one is kept.

    Args:
        owner: validator and provider.
        namespace: of the gateway.
        node: settings of the provider node, with its key.
        volume_uid: of the current PersistentVolumeClaim.
        reset: the sign state that the operator confirmed; the key signs nothing at or below it.
        certificates: sha256 (hex) of the certificates that the cluster publishes now, for the record.
        settings: of the pod.
    """
    environment = {"CLAIM_UID": volume_uid, "NAMESPACE": namespace, **_environment(reset)}
    notes = {
        names.VOLUME_UID: volume_uid,
        names.SIGN_STATE_RESET: reset_note(reset),
        names.CLUSTER_CERTIFICATES: consumer_key_check.to_annotation(certificates),
    }
    name = provider_job_name(volume_uid)
    return _provider_job(owner, namespace, node, name, notes, PROVIDER_SCRIPT, environment, settings)


def provider_mark_job(
    owner: objects.Owner,
    namespace: str,
    node: provider_node.ProviderNodeSettings,
    volume_uid: str,
    certificates: Sequence[str],
    settings: pods.PodSettings = NO_SETTINGS,
) -> model.Manifest:
    """Return the Job that adds this cluster's certificates to the mark of the provider node's key.

    Args:
        owner: validator and provider.
        namespace: of the gateway.
        node: settings of the provider node, with its key.
        volume_uid: of the current PersistentVolumeClaim.
        certificates: sha256 (hex) of the certificates that the cluster publishes now.
        settings: of the pod.
    """
    notes = {names.CLUSTER_CERTIFICATES: consumer_key_check.to_annotation(certificates)}
    name = mark_job_name(volume_uid, certificates)
    environment = {"CLAIM_UID": volume_uid}
    return _provider_job(owner, namespace, node, name, notes, PROVIDER_MARK_SCRIPT, environment, settings)


def _provider_job(
    owner: objects.Owner,
    namespace: str,
    node: provider_node.ProviderNodeSettings,
    job_name: str,
    notes: Mapping[str, str],
    script: str,
    environment: Mapping[str, str],
    settings: pods.PodSettings,
) -> model.Manifest:
    container = _container(script, {"KEY_FOLDER": _PROVIDER_KEY, **environment}, node.image)
    container["volumeMounts"].append({"name": "consensus-key", "mountPath": _PROVIDER_KEY, "readOnly": True})
    key = {"name": "consensus-key", "secret": {"secretName": node.consensus_key, "defaultMode": 0o440}}
    return _job(
        owner,
        job_name,
        namespace,
        notes,
        container,
        settings,
        component=names.PROVIDER_SIGN_STATE,
        beside=names.PROVIDER_NODE,
        claim=names.PROVIDER_NODE,
        volumes=[key],
    )


_PROVIDER_KEY = "/etc/ics/consensus-key"


def _job(
    owner: objects.Owner,
    job_name: str,
    namespace: str,
    notes: Mapping[str, str],
    container: Mapping[str, Any],
    settings: pods.PodSettings,
    *,
    component: str = names.SIGN_STATE,
    beside: str = names.NODE,
    claim: str = names.VOLUME_NAME,
    volumes: Sequence[Mapping[str, Any]] = (),
) -> model.Manifest:
    spec = objects.pod_spec(
        [container],
        [
            {"name": "data", "persistentVolumeClaim": {"claimName": claim}},
            {"name": "cluster-ca", "configMap": {"name": key_check.CLUSTER_CA_NAME}},
            *volumes,
        ],
        restartPolicy="Never",
        affinity=_beside_the_node(component, beside),
    )
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": owner.metadata(job_name, component, namespace, notes),
        "spec": {
            "backoffLimit": _RETRIES,
            "activeDeadlineSeconds": DEADLINE_SECONDS,
            "ttlSecondsAfterFinished": _KEPT_SECONDS,
            # A failed pod and its log are kept.
            "template": objects.pod_template(owner.labels(component), spec, settings),
        },
    }


def _beside_the_node(component: str, node: str) -> dict[str, Any]:
    """Return the affinity to the host that uses the volume, because only one host may mount it.

    The selector includes the Job's own pod, so that the scheduler accepts any host while there is no node.
    """
    components = {"key": names.COMPONENT, "operator": "In", "values": [component, node]}
    term = {
        "labelSelector": {"matchExpressions": [components]},
        "topologyKey": "kubernetes.io/hostname",
    }
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def reset_note(state: model.SignedState) -> str:
    """Return the annotation that records the sign state which the operator confirmed: `<height>/<round>/<step>`."""
    return f"{state.height}/{state.round}/{state.step}"


def parse_reset_note(text: str) -> model.SignedState | None:
    """Return the sign state that an annotation records; None if it records none or was edited."""
    parts = text.split("/")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
        return None
    height, at, step = map(int, parts)
    is_possible = height < 2**63 and at <= reset_rules.MAX_ROUND and step <= reset_rules.PRECOMMIT
    return model.SignedState(height=height, round=at, step=step) if is_possible else None


def _environment(reset: model.SignedState | None) -> dict[str, str]:
    state = reset or EMPTY
    return {
        "RESET": "" if reset is None else "true",
        "HEIGHT": str(state.height),
        "ROUND": str(state.round),
        "STEP": str(state.step),
    }


def _container(script: str, environment: Mapping[str, str], image: str) -> dict[str, Any]:
    return {
        "name": "sign-state",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", script],
        "env": [
            *objects.variables(environment),
            key_check.downward("POD_NAMESPACE", "metadata.namespace"),
        ],
        "resources": {
            "requests": {"cpu": "10m", "memory": "16Mi"},
            "limits": {"memory": "64Mi"},
        },
        "securityContext": dict(objects.CONTAINER_SECURITY),
        "volumeMounts": [
            {"name": "data", "mountPath": "/data"},
            {"name": "cluster-ca", "mountPath": key_check.CLUSTER_CA, "readOnly": True},
        ],
    }
