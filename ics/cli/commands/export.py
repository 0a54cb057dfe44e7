"""`ics export`."""

from ics.cli import export_folder, options, output
from ics.cli.arguments import export as arguments
from ics.engines.applyset import members
from ics.manifests import export
from ics.reconciler import reconcile, wiring


async def _export(args: arguments.Export, stack: wiring.OpenStack) -> int:
    settings = stack.world.settings
    set_id = members.set_id(settings.validator, settings.gateway.namespace)
    request = await reconcile.request(stack.world)
    wanted = export.export(request.manifests, set_id, request.paused)
    done = export_folder.update(args.output_dir, wanted, set_id, request)
    paused = sorted(request.paused)
    problems = [condition.message for condition in reconcile.definition_conditions(stack.world)]
    value = {
        "folder": str(args.output_dir),
        "written": list(done.written),
        "unchanged": list(done.unchanged),
        "removed": list(done.removed),
        "kept": list(done.kept),
        "paused": paused,
        "secrets": [
            {"namespace": one.namespace, "name": one.name, "keys": list(one.keys)} for one in wanted.secrets
        ],
        "problems": problems,
    }
    return output.emit(args, value, _lines(args, done, wanted, paused, problems))


def _lines(
    args: arguments.Export,
    done: export_folder.Update,
    wanted: export.Export,
    paused: list[str],
    problems: list[str],
) -> list[str]:
    changed = [
        *(f"written   {path}" for path in done.written),
        *(f"removed   {path}" for path in done.removed),
    ]
    kept = [f"kept      {path}: a pass would not delete this object without an order" for path in done.kept]
    secrets = [f"left out  Secret {one.namespace}/{one.name}" for one in wanted.secrets]
    left = [f"chain {consumer_id}: a pass would leave its objects as they are" for consumer_id in paused]
    counts = (
        f"{args.output_dir}: {len(done.written)} written, {len(done.unchanged)} unchanged, {len(done.removed)} removed,"
        f" {len(done.kept)} kept; {len(wanted.secrets)} Secrets left out"
    )
    return [*changed, *kept, *secrets, *left, *problems, counts]


run = options.on_stack(_export)
