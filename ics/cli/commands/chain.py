"""`ics chain rehearse`: rehearses a chain's start by hand."""

import asyncio
import contextlib
import datetime
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from ics import errors, model, names
from ics.cli import options, output
from ics.cli.arguments import chain as arguments
from ics.cluster import pull_secrets, rehearsals, upgrade_pulls
from ics.cluster.api import client, kinds
from ics.config import chain_definition
from ics.config import pods as config_pods
from ics.config import upgrades as config_upgrades
from ics.consumer import chain, image_pulls, rehearsal
from ics.cosmos import times
from ics.manifests import network_policies, objects, upgrade_pull
from ics.manifests import rehearsal as manifests_rehearsal
from ics.reconciler import wiring

_EVERY = 1.0
"""Seconds between two looks at the Job."""
_LONGEST = datetime.timedelta(seconds=2 * manifests_rehearsal.DEADLINE_SECONDS)
"""Age from which the namespace of a rehearsal was left over."""
_CONSUMER = "rehearsal"
"""In place of a consumer id: no pass finds these objects."""


async def _rehearse(args: arguments.Rehearse, stack: wiring.OpenStack) -> int:
    settings = stack.world.settings
    loaded = _definition(stack, args.definition)
    chain_id = args.chain_id or _chain_id(loaded)
    parameters = rehearsal.Chain(
        provider_chain_id=settings.provider.chain_id,
        consumer_id="0",
        chain_id=chain_id,
        initial_height=args.initial_height,
        unbonding_period=rehearsal.UNBONDING,
    )
    try:
        prepared = rehearsal.build(loaded, parameters, settings, wiring.now())
    except errors.IcsError as error:
        raise errors.SettingsError(f"definition {args.definition}: {error}") from error
    owner = objects.Owner(settings.validator, settings.provider.chain_id, _CONSUMER, chain_id)
    pods = settings.pods.merged(loaded.definition.pods)
    namespace = f"{settings.cluster.namespace_prefix}rehearsal-{secrets.token_hex(4)}"
    await _remove_left_over(stack.kube, owner, wiring.now())
    async with _namespace(stack.kube, owner, namespace):
        copies = pull_secrets.PullSecrets(stack.kube, owner, settings.gateway.namespace, _nothing)
        await copies.ensure_in(owner, namespace, pods.image_pull_secrets)
        run = rehearsals.Run(namespace, prepared, loaded.definition, settings.node, pods)
        await rehearsals.start(stack.kube, owner, run)
        result = await _ended(stack.kube, owner, namespace)
        later = [
            await _look_into(stack.kube, owner, namespace, loaded.definition, upgrade, pods)
            for upgrade in loaded.definition.upgrades
        ]
    is_ok = result.state is model.JobState.DONE
    said = result.message or result.waiting or "its pod ended without a word"
    value = {
        "definition": args.definition,
        "chain_id": chain_id,
        "ok": is_ok,
        "text": said,
        "upgrades": later,
    }
    lines = [f"{args.definition}: {'ok' if is_ok else 'failed'}: {said}"]
    lines += [f"{one['upgrade']}: {'ok' if one['ok'] else 'failed'}: {one['text']}" for one in later]
    output.emit(args, value, lines)
    return 0 if is_ok and all(one["ok"] for one in later) else 2


async def _look_into(
    kube: client.KubeClient,
    owner: objects.Owner,
    namespace: str,
    definition: chain_definition.Definition,
    upgrade: config_upgrades.Upgrade,
    settings: config_pods.PodSettings,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> dict[str, Any]:
    """Pull the image of one upgrade, and start its binary as far as that is possible without the chain's state."""
    target = image_pulls.PullTarget(
        image=upgrade.image,
        binary=definition.binary,
        binary_hash=upgrade.binary_hash or "",
        host="",
        flags=chain.start_flags(definition),
    )
    pulls = upgrade_pulls.UpgradePulls(kube, owner, _nothing)
    await pulls.ensure(owner.consumer_id, owner.chain_id, namespace, target, settings)
    pull = image_pulls.Pull()
    for _ in range(int(upgrade_pull.DEADLINE_SECONDS / _EVERY)):
        pull = (await pulls.read()).get(owner.consumer_id, {}).get(target.fingerprint, pull)
        if pull.state in (image_pulls.PullState.DONE, image_pulls.PullState.FAILED):
            break
        await pause(_EVERY)
    is_ok = pull.state is image_pulls.PullState.DONE
    text = (
        f"{upgrade.image} contains {pull.text or definition.binary}, which knows the flags of the node"
        if is_ok
        else pull.text or "its pod did not end in time"
    )
    return {"upgrade": upgrade.label, "height": upgrade.height, "ok": is_ok, "text": text}


async def _nothing() -> None:
    """Stand in for the Lease: nothing of the validator's own is written."""


def _definition(stack: wiring.OpenStack, name: str) -> chain_definition.LoadedDefinition:
    for loaded in stack.world.definitions:
        if loaded.definition.name == name:
            return loaded
    known = ", ".join(loaded.definition.name for loaded in stack.world.definitions) or "none"
    raise errors.SettingsError(f"definition {name!r}: not in stacks/chains; use one of: {known}")


def _chain_id(loaded: chain_definition.LoadedDefinition) -> str:
    """Return the chain id that a definition or its genesis names.

    Raises:
        SettingsError: neither names one.
    """
    pattern = loaded.definition.match.chain_id
    # Of a pattern, any chain id that it matches will do.
    own = rehearsal.chain_id_of(loaded.genesis or b"{}") or pattern.replace("*", "").replace("?", "1")
    own = own if set(pattern) & set("*?[") else pattern
    if not own or "[" in own:
        raise errors.SettingsError(
            f"definition {loaded.definition.name}: matches several chain ids; use --chain-id ID"
        )
    return own


async def _remove_left_over(kube: client.KubeClient, owner: objects.Owner, now: datetime.datetime) -> None:
    """Delete the namespaces of earlier rehearsals whose process was killed; their Jobs have ended by themselves."""
    selector = owner.selector(names.REHEARSAL)
    for namespace in await kube.select(kinds.NAMESPACE, selector, only_metadata=True):
        metadata = namespace["metadata"]
        age = now - times.parse_time(str(metadata["creationTimestamp"]))
        if age > _LONGEST and "deletionTimestamp" not in metadata:
            await kube.delete(kinds.NAMESPACE, None, metadata["name"], metadata["uid"])


@contextlib.asynccontextmanager
async def _namespace(kube: client.KubeClient, owner: objects.Owner, namespace: str) -> AsyncIterator[None]:
    """Create a namespace, and delete it with everything in it, whatever happens."""
    metadata = owner.metadata(namespace, names.REHEARSAL)
    metadata["labels"] |= objects.POD_SECURITY_LABELS
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    created = await kube.apply(manifest, names.LOOP_MANAGER)
    try:
        # The pod runs a program of strangers, and needs no network.
        await kube.apply(network_policies.isolation(namespace, owner), names.LOOP_MANAGER)
        yield
    finally:
        # Also when it is interrupted; nothing else would ever delete it.
        await asyncio.shield(kube.delete(kinds.NAMESPACE, None, namespace, created.body["metadata"]["uid"]))


async def _ended(
    kube: client.KubeClient,
    owner: objects.Owner,
    namespace: str,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> model.JobResult:
    """Wait until the Job has ended; its own deadline lets it end in any case."""
    for _ in range(int((manifests_rehearsal.DEADLINE_SECONDS + 60) / _EVERY)):
        result = await rehearsals.read_one(kube, owner, namespace)
        if result.state is not model.JobState.RUNNING:
            return result
        await pause(_EVERY)
    return result


rehearse = options.on_stack(_rehearse)
