"""Single values of the provider module's store, which no query of the module returns; pure.

Every node serves the keys of its stores at any height that it keeps, through the gateway's `abci_query`. A key that
belongs to one chain is a byte of prefix, the length of the consumer id as 8 bytes, and the consumer id
(interchain-security v7.0.1, x/ccv/provider/types/keys.go, `StringIdWithLenKey`).
"""

import base64

from ics.cosmos import answers
from ics.provider import gateway

PATH = "/cosmos/base/tendermint/v1beta1/abci_query"


def request(prefix: int, consumer_id: str, height: int) -> gateway.RestRequest:
    """Return the query of one chain's value.

    Args:
        prefix: of the key.
        consumer_id: of the chain.
        height: the state after this block. Unlike other queries, this one takes it as a parameter.
    """
    key = bytes([prefix]) + len(consumer_id).to_bytes(8, "big") + consumer_id.encode()
    params = {"path": "/store/provider/key", "data": base64.b64encode(key).decode(), "height": str(height)}
    return gateway.RestRequest(PATH, params, height)


def value(answer: answers.Field, request: gateway.RestRequest) -> bytes:
    """Return the stored bytes; empty if the store does not have the key.

    An empty value alone proves nothing: a node that has pruned the height answers HTTP 200, code 0, no value and the
    log `version does not exist` (cosmossdk.io/store v1.1.1, iavl/store.go, `Query`), and other errors of the store
    have HTTP 200 and a code. So it counts only without a log, and for the key and the height of the request.

    Raises:
        Permanent: the node answers with an error, for another key or height, or in an unexpected format.
    """
    if answer["log"].text():
        answer["log"].fail("empty")
    if answer["code"].integer() != 0:
        answer["code"].fail("0")
    if answer["key"].base64() != base64.b64decode(request.params["data"]):
        answer["key"].fail("the key that was asked for")
    if answer["height"].integer() != request.height:
        answer["height"].fail("the height that was asked for")
    return answer["value"].base64()
