"""The steps of `ics init` about the cluster, and about which chains run in it."""

from collections.abc import Awaitable, Callable
from typing import Any

from ics import errors
from ics.cli.init import cluster_probes, found, questions
from ics.cli.init.session import Session
from ics.config import settings

ProbeCluster = Callable[[settings.ClusterSettings], Awaitable[found.Cluster]]
"""Reads what a cluster offers."""


async def choose_cluster(session: Session, probe: ProbeCluster) -> None:
    """Choose the cluster, and what of it is used.

    Raises:
        SettingsError: an answer is missing or not valid, or a kubeconfig is malformed.
    """
    request = session.request
    kubeconfig = request.kubeconfig or session.earlier.text("cluster", "kubeconfig")
    names, current = cluster_probes.contexts(kubeconfig, request.root, request.environment)
    if request.kubeconfig is not None and not names:
        raise errors.SettingsError(
            f"--kubeconfig: {request.kubeconfig} has no context; give the file by which kubectl reaches the cluster"
        )
    session.talk.say(
        "contexts: " + (", ".join(names) or "none; --kubeconfig FILE names a file that has some")
    )
    context = session.talk.ask(questions.context(names, current, session.earlier.text("cluster", "context")))
    namespace = request.namespace or session.earlier.text("gateway", "namespace") or "provider"
    there = found.Cluster()
    if context != questions.NONE:
        chosen = settings.ClusterSettings(kubeconfig=kubeconfig, context=context)
        there = await probe(chosen)
        session.talk.say(*there.lines())
        path = {} if kubeconfig is None else {"kubeconfig": kubeconfig}
        session.draft.put("cluster", {**path, "context": context})
    else:
        session.draft.notes.append(
            "no cluster yet: run `ics init` again once there is one, or set ics:cluster"
        )
    cloud = session.talk.ask(questions.cloud(there, session.earlier.text("gateway", "cloud")))
    session.draft.put(
        "gateway",
        {"namespace": namespace, "cloud": cloud},
        "the LoadBalancer through which peers reach the nodes; its address is published by `ics endpoint register`",
    )
    _storage(session, there)
    if there.has_monitors:
        labels = " ".join(f"{name}={value}" for name, value in there.rule_labels)
        session.draft.notes.append(
            "the Prometheus operator is there: `ics show alerts` prints the rules for it"
            + (f" (its Prometheus selects {labels})" if labels else "")
        )


def _storage(session: Session, there: found.Cluster) -> None:
    """Choose the classes of volumes and of their snapshots."""
    wanted = session.talk.ask(questions.storage_class(there, session.earlier.text("node", "storage_class")))
    if wanted and wanted != there.default_class:
        session.draft.put("node", {"storage_class": wanted})
    expands = {each.name: each.expands for each in there.storage_classes}
    if expands.get(wanted) is False:
        session.draft.notes.append(
            f"StorageClass {wanted} does not expand, so a volume that fills cannot grow"
        )
    if there.snapshot_classes:
        snapshot = session.talk.ask(
            questions.snapshot_class(there, session.earlier.text("snapshots", "class"))
        )
        if snapshot != questions.NONE:
            session.draft.put("snapshots", {"class": snapshot})


def choose_chains(session: Session) -> None:
    """Choose which chains are joined.

    Raises:
        SettingsError: an answer is missing or not valid.
    """
    policy = session.talk.ask(questions.policy(session.earlier.text("participation", "policy")))
    values: dict[str, Any] = {"policy": policy}
    if policy == "listed" or session.talk.is_given("allow"):
        listed = session.earlier.group("participation").get("allow")
        default = ",".join(map(str, listed)) if isinstance(listed, list) else None
        values["allow"] = session.talk.ask(questions.allow(default)).split(",")
    session.draft.put(
        "participation", values, "only chains with a definition in stacks/chains are ever joined"
    )
