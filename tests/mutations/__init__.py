"""Mutations: the product with one protection taken out, which a test must notice.

`python -m tests.mutations` applies each patch under `patches` to a copy of the package, and runs the test that is named
beside it. A further one is a patch and a line of `MUTATIONS`.
"""

from typing import NamedTuple

MODEL = "tests/model/test_signing.py"
"""The stateful test, with 10,000 steps of its own for each mutation."""


PROVIDER_NODE = "tests/unit/manifests/test_provider_jobs.py"
"""The provider node has one place, which the model does not have."""


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
    Mutation("S4", "s4_reset_to_zero", "a reset writes height 0"),
    Mutation("S6", "s6_held_chain_keeps_key", "a held chain's key is not withheld"),
    Mutation(
        "S6", "s6_question_keeps_key", "only what the core pauses is withheld, not what the engine holds"
    ),
    Mutation("S6", "s6_withheld_only_once", "what the loop has withheld once is taken for withheld for ever"),
    Mutation("S8", "s8_changeover_is_harmless", "a changeover after the opt-in is no concern"),
    Mutation("S9", "s9_any_claim", "the provider node's mark is not compared with its claim", PROVIDER_NODE),
    Mutation("S10", "s10_any_pod_may_run", "any pod of the StatefulSet gets the key"),
    Mutation("S11", "s11_no_watermark", "a sign state below the watermark is accepted"),
    Mutation("S11", "s11_any_cluster", "the cluster's certificates are not compared"),
    Mutation("S12", "s12_remote_key_returns", "a key comes back from a remote signer to its old sign state"),
    Mutation("S13", "s13_phase_is_believed", "before the launch, nothing can have been signed"),
    Mutation("S14", "s14_any_key_file", "the mounted key is not compared with the expected one"),
    Mutation("S15", "s15_links_on_volume", "the links to key and sign state lie on the volume"),
    Mutation("place", "place_id_used_twice", "a place's id depends on the chain alone"),
    Mutation("takeover", "takes_back_after_takeover", "an old installation assigns a key of its own again"),
    Mutation(
        "H1",
        "restored_record_is_believed",
        "a restored record creates the sign state that its original created",
    ),
)
