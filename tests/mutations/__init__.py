"""Mutations: the product with one protection taken out, which a test must notice.

`python -m tests.mutations` applies each patch under `patches` to a copy of the package, and runs the test that is named
beside it; `make soak` does the same. A further one is a patch and a line of `MUTATIONS`.
"""

import pathlib
import subprocess
from typing import NamedTuple

ROOT = pathlib.Path(__file__).parents[2]
PATCHES = pathlib.Path(__file__).parent / "patches"
MODEL = "tests/model"
"""Each harm alone, and then the stateful test with up to 10,000 steps of its own for each mutation."""
PROVIDER_NODE = "tests/unit/manifests/test_provider_jobs.py"
"""The provider node has one place, which the model does not have."""
MISSING_KEY = "tests/unit/consumer/test_missing_key.py"
"""What a node's status and a commit's signatures say is not part of the model, nor is what the operator writes."""
NODE_CONFIG = "tests/unit/config/test_node_config.py"
TERMS = "tests/unit/consumer/test_terms.py"


class Mutation(NamedTuple):
    """One protection that is taken out."""

    row: str
    """Hole of the safety page that is open again."""
    patch: str
    """Name of the patch."""
    what: str
    test: str = MODEL


MUTATIONS = (
    Mutation("S1", "s1_keys_without_place", "every installation derives the same key"),
    Mutation("S2", "s2_mark_without_namespace", "the mark's namespace is not compared"),
    Mutation("S3", "s3_any_node_signs", "another node's signature counts as this one's", MISSING_KEY),
    Mutation("S3", "s3_nobody_looks_elsewhere", "a signature by another node is not noticed", MISSING_KEY),
    Mutation("S4", "s4_reset_to_zero", "a reset writes height 0"),
    Mutation("S5", "s5_any_setting", "a definition may override where the sign state lies", NODE_CONFIG),
    Mutation("S6", "s6_held_chain_keeps_key", "a held chain's key is not withheld"),
    Mutation(
        "S6", "s6_question_keeps_key", "only what the core pauses is withheld, not what the engine holds"
    ),
    Mutation("S6", "s6_withheld_only_once", "what the loop has withheld once is taken for withheld for ever"),
    Mutation("S7", "s7_any_owner", "the chain of any owner is joined without being asked", NODE_CONFIG),
    Mutation("S7", "s7_any_terms", "a chain is joined whatever its penalties are", TERMS),
    Mutation("S8", "s8_changeover_is_harmless", "a changeover after the opt-in is no concern"),
    Mutation("S9", "s9_any_claim", "the provider node's mark is not compared with its claim", PROVIDER_NODE),
    Mutation("S10", "s10_any_pod_may_run", "any pod of the StatefulSet gets the key"),
    Mutation("S11", "s11_no_watermark", "a sign state below the watermark is accepted"),
    Mutation("S11", "s11_any_cluster", "the cluster's certificates are not compared"),
    Mutation("S12", "s12_remote_key_returns", "a key comes back from a remote signer to its old sign state"),
    Mutation("S13", "s13_phase_is_believed", "before the launch, nothing can have been signed"),
    Mutation("S14", "s14_any_key_file", "the mounted key is not compared with the expected one"),
    Mutation("S15", "s15_links_on_volume", "the links to key and sign state lie on the volume"),
    Mutation("S16", "s16_restore_leaves_key", "`ics restore` leaves the node its key"),
    Mutation("place", "place_id_used_twice", "a place's id depends on the chain alone"),
    Mutation("takeover", "takes_back_after_takeover", "an old installation assigns a key of its own again"),
    Mutation(
        "H1",
        "restored_record_is_believed",
        "a restored record creates the sign state that its original created",
    ),
)


def apply(
    mutation: Mutation, folder: pathlib.Path, *, is_trial: bool = False
) -> "subprocess.CompletedProcess[str]":
    """Apply a patch to the project in a folder, and return what `patch` said.

    Args:
        mutation: with its patch.
        folder: a copy of the project.
        is_trial: whether nothing is changed, only tried; the folder may be the project itself then.
    """
    patch = PATCHES / f"{mutation.patch}.patch"
    trial = ["--dry-run"] if is_trial else []
    return subprocess.run(
        ["patch", "-p1", "--force", "--fuzz=3", *trial, "-i", str(patch)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
