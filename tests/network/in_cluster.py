"""What the stories of the reconciler in charlie's cluster share: its stack, its secrets, and why it may not act."""

import base64
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import yaml

from devnet import owner, places
from ics import names
from ics.cluster.api import kinds
from tests.network import kube, operators, projects

SECRETS = "ics-secrets"
PLACE = {"namespace": SECRETS, "name": "charlie"}
POD_LABELS: Final = {names.COMPONENT: names.RECONCILER}
"""Of the pods of a reconciler that a stack installs."""


def project(
    folder: pathlib.Path,
    chain_id: str,
    reconciler: Mapping[str, Any],
    secrets: Sequence[str] = ("seed", "account"),
    **more: Any,
) -> pathlib.Path:
    """A project whose stack charlie joins one chain, of which nobody else has a definition.

    Args:
        folder: where the project is made.
        chain_id: the chain, whose definition is called as it is without its number.
        reconciler: settings of the reconciler in the cluster.
        secrets: what that gets from the Secret, see `give_secrets`.
        more: further settings.
    """
    root = projects.project(folder)
    projects.define(root, chain_id.rpartition("-")[0], {"chain_id": chain_id})
    path = root / "stacks" / "Pulumi.charlie.yaml"
    document = yaml.safe_load(path.read_text())
    found = {
        "cluster": {"kubeconfig": ".devnet/charlie/kubeconfig-admin"},
        "participation": {"policy": "listed", "allow": [chain_id]},
        "reconciler": {**reconciler, **{key: {**PLACE, "key": key} for key in secrets}},
        **more,
    }
    document["config"] |= {f"ics:{name}": value for name, value in found.items()}
    path.write_text(yaml.safe_dump(document))
    return root


def secret(name: str) -> str:
    return (places.credentials("charlie") / name).read_text().strip()


def give_secrets(charlie: operators.Operator, **more: str) -> None:
    """The Secret that its operator creates beforehand, with seed and account, and more texts by key."""
    if charlie.kube.find(kinds.NAMESPACE, "", SECRETS) is None:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SECRETS}}
        charlie.kube.create(namespace)
    if charlie.kube.find(kinds.SECRET, SECRETS, "charlie") is not None:
        charlie.kube.delete(kinds.SECRET, SECRETS, "charlie")
    texts = {key: secret(key) for key in ("seed", "account")} | more
    data = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
    metadata = {"name": "charlie", "namespace": SECRETS}
    charlie.kube.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})


def forget(cluster: kube.Kube, consumer_id: str) -> None:
    """Deletes the chain's namespace, which a story's end keeps."""
    for home in cluster.all(kinds.NAMESPACE, **{names.CONSUMER: consumer_id}):
        cluster.delete(kinds.NAMESPACE, "", home["metadata"]["name"])


def told(
    charlie: operators.Operator,
    consumer_id: str,
    name: str = "reconciler",
    labels: Mapping[str, str] = POD_LABELS,
) -> str:
    """Why the reconciler may not have done what it should: its workload, Jobs, Lease, pods and their words.

    Args:
        charlie: whose cluster it is in.
        consumer_id: the chain that it should have looked after.
        name: of its workload.
        labels: of its pods.
    """
    cluster = charlie.kube
    job = cluster.find(kinds.CRON_JOB, "provider", name)
    deployment = cluster.find(kinds.DEPLOYMENT, "provider", name)
    lease = cluster.find(kinds.LEASE, "provider", "ics-charlie")
    return "\n".join(
        [
            f"CronJob: {job and job.get('status')}",
            f"Deployment: {deployment and deployment.get('status')}",
            *(
                f"Job {one['metadata']['name']}: {one['status']}"
                for one in cluster.all(kinds.JOB, "provider")
            ),
            f"Lease: {lease and (lease['metadata'].get('annotations'), lease['spec'])}",
            f"the chain on the provider: {owner.consumer(consumer_id)}",
            cluster.told("provider", **labels),
        ]
    )
