"""Infraction parameters that a chain's owner has queued, decoded from the provider's store; pure.

On a chain that has been launched, an owner's change of infraction parameters takes effect only after the provider's
unbonding period. Until then no query and no event of interchain-security v7 shows it. Sources, at v7.0.1:

* x/ccv/provider/keeper/msg_server.go, `UpdateConsumer`: before the launch a change takes effect at once; later it is
  queued, completed with the current penalties where the owner states none.
* x/ccv/provider/types/keys.go: `ConsumerIdToQueuedInfractionParametersKey` has the prefix 58; prefix 59 has the
  times of the changes, by time rather than by chain.
* x/ccv/provider/keeper/infraction_parameters.go: the value is a protobuf `InfractionParameters`.
* cosmossdk.io/math v1.5.0, `LegacyDec.Marshal`: a decimal number is the digits of the number times 10^18, as text.
"""

import re
from decimal import Decimal
from typing import TYPE_CHECKING

from ics import model
from ics.cosmos import answers, times
from ics.provider import gateway
from ics.provider.rest import store

if TYPE_CHECKING:
    from ics.provider.proto import tx_pb2

_PREFIX = 58
_DIGITS = re.compile(rb"[0-9]{1,78}")


def request(consumer_id: str, height: int) -> gateway.RestRequest:
    """Return the query."""
    return store.request(_PREFIX, consumer_id, height)


def decode(answer: answers.Field, request: gateway.RestRequest) -> model.InfractionParameters:
    """Return the queued parameters: both penalties, or none if nothing is queued.

    Args:
        answer: answer to the query.
        request: the query.

    Raises:
        Permanent: the node answers with an error, or in an unexpected format.
    """
    raw = store.value(answer, request)
    if not raw:
        return model.InfractionParameters()
    from google.protobuf import message

    from ics.provider.proto import tx_pb2  # protobuf takes 50 ms to load

    try:
        stored = tx_pb2.InfractionParameters.FromString(raw)
    except message.DecodeError:
        answer["value"].fail("infraction parameters in protobuf")
    if not (stored.HasField("double_sign") and stored.HasField("downtime")):
        answer["value"].fail("infraction parameters with double_sign and downtime")
    return model.InfractionParameters(
        double_sign=_penalty(stored.double_sign, answer["value"]),
        downtime=_penalty(stored.downtime, answer["value"]),
    )


def _penalty(stored: "tx_pb2.SlashJailParameters", field: answers.Field) -> model.Penalty:
    duration = stored.jail_duration.seconds * times.SECOND + stored.jail_duration.nanos
    if not _DIGITS.fullmatch(stored.slash_fraction) or not 0 <= duration <= times.LONGEST:
        field.fail("infraction parameters with a slash fraction and a jail duration")
    return model.Penalty(
        slash_fraction=Decimal(f"{stored.slash_fraction.decode()}E-18"),
        jail_duration=duration,
        tombstone=stored.tombstone,
    )
