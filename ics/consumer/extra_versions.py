"""Which version of the chain's software each sentry and full node gets; pure.

The rule is that of the validator's node, see `ics.consumer.upgrades`, for each on its own: all halt at the height of an
upgrade, and each is switched when it is seen to stand there. For what needs no halt, one sentry at a time is restarted.
"""

import dataclasses
from collections.abc import Mapping

from ics import model
from ics.consumer import extra_nodes, upgrades


def with_versions(
    extra: extra_nodes.ExtraNodes,
    own: upgrades.Situation,
    observations: Mapping[str, model.Observation],
    halted: Mapping[str, int],
) -> extra_nodes.ExtraNodes:
    """Return a chain's sentries and full nodes with the versions that they get.

    Args:
        extra: the nodes.
        own: situation of the validator's node, which has the chain's list, plan and time.
        observations: of the nodes, by name.
        halted: heights at which they were seen to stand, twice, by name.
    """
    nodes: list[extra_nodes.ExtraNode] = []
    is_restarting = False
    for node in extra.nodes:
        observation = observations.get(node.name)
        is_spared = node.role is extra_nodes.Role.FULL or _has_other(extra, node, observations)
        assessed = upgrades.assess(
            dataclasses.replace(
                own,
                record=node.memory.software,
                runs=node.memory.has_workload and node.memory.is_known_volume,
                pod=node.pod,
                node=None if observation is None else observation.node,
                halted=halted.get(node.name),
                may_restart=is_spared and not is_restarting,
                may_switch=True,
            )
        )
        is_restarting = is_restarting or _restarts(node, assessed)
        nodes.append(dataclasses.replace(node, upgrade=assessed))
    return dataclasses.replace(extra, nodes=tuple(nodes))


def _has_other(
    extra: extra_nodes.ExtraNodes, node: extra_nodes.ExtraNode, observations: Mapping[str, model.Observation]
) -> bool:
    """Return whether another sentry has caught up."""
    others = (one.name for one in extra.sentries if one.name != node.name)
    return any(extra_nodes.is_synced(observations.get(name)) for name in others)


def _restarts(node: extra_nodes.ExtraNode, assessed: upgrades.NodeUpgrade) -> bool:
    """Return whether a node that runs is restarted for its version."""
    record = node.memory.software
    wanted = (assessed.version.image, assessed.halt_height)
    return bool(record.image) and wanted != (record.image, record.halt_height)
