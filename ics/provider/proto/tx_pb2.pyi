from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class MsgOptIn(_message.Message):
    __slots__ = ("chain_id", "provider_addr", "consumer_key", "signer", "consumer_id")
    CHAIN_ID_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_ADDR_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_KEY_FIELD_NUMBER: _ClassVar[int]
    SIGNER_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_ID_FIELD_NUMBER: _ClassVar[int]
    chain_id: str
    provider_addr: str
    consumer_key: str
    signer: str
    consumer_id: str
    def __init__(self, chain_id: _Optional[str] = ..., provider_addr: _Optional[str] = ..., consumer_key: _Optional[str] = ..., signer: _Optional[str] = ..., consumer_id: _Optional[str] = ...) -> None: ...

class MsgOptInResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class MsgOptOut(_message.Message):
    __slots__ = ("chain_id", "provider_addr", "signer", "consumer_id")
    CHAIN_ID_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_ADDR_FIELD_NUMBER: _ClassVar[int]
    SIGNER_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_ID_FIELD_NUMBER: _ClassVar[int]
    chain_id: str
    provider_addr: str
    signer: str
    consumer_id: str
    def __init__(self, chain_id: _Optional[str] = ..., provider_addr: _Optional[str] = ..., signer: _Optional[str] = ..., consumer_id: _Optional[str] = ...) -> None: ...

class MsgOptOutResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class MsgAssignConsumerKey(_message.Message):
    __slots__ = ("chain_id", "provider_addr", "consumer_key", "signer", "consumer_id")
    CHAIN_ID_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_ADDR_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_KEY_FIELD_NUMBER: _ClassVar[int]
    SIGNER_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_ID_FIELD_NUMBER: _ClassVar[int]
    chain_id: str
    provider_addr: str
    consumer_key: str
    signer: str
    consumer_id: str
    def __init__(self, chain_id: _Optional[str] = ..., provider_addr: _Optional[str] = ..., consumer_key: _Optional[str] = ..., signer: _Optional[str] = ..., consumer_id: _Optional[str] = ...) -> None: ...

class MsgAssignConsumerKeyResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class MsgSetConsumerCommissionRate(_message.Message):
    __slots__ = ("provider_addr", "chain_id", "rate", "signer", "consumer_id")
    PROVIDER_ADDR_FIELD_NUMBER: _ClassVar[int]
    CHAIN_ID_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    SIGNER_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_ID_FIELD_NUMBER: _ClassVar[int]
    provider_addr: str
    chain_id: str
    rate: str
    signer: str
    consumer_id: str
    def __init__(self, provider_addr: _Optional[str] = ..., chain_id: _Optional[str] = ..., rate: _Optional[str] = ..., signer: _Optional[str] = ..., consumer_id: _Optional[str] = ...) -> None: ...

class MsgSetConsumerCommissionRateResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Height(_message.Message):
    __slots__ = ("revision_number", "revision_height")
    REVISION_NUMBER_FIELD_NUMBER: _ClassVar[int]
    REVISION_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    revision_number: int
    revision_height: int
    def __init__(self, revision_number: _Optional[int] = ..., revision_height: _Optional[int] = ...) -> None: ...

class ConsumerMetadata(_message.Message):
    __slots__ = ("name", "description", "metadata")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    metadata: str
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., metadata: _Optional[str] = ...) -> None: ...

class ConsumerInitializationParameters(_message.Message):
    __slots__ = ("initial_height", "genesis_hash", "binary_hash", "spawn_time", "unbonding_period", "ccv_timeout_period", "transfer_timeout_period", "consumer_redistribution_fraction", "blocks_per_distribution_transmission", "historical_entries", "distribution_transmission_channel", "connection_id")
    INITIAL_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    GENESIS_HASH_FIELD_NUMBER: _ClassVar[int]
    BINARY_HASH_FIELD_NUMBER: _ClassVar[int]
    SPAWN_TIME_FIELD_NUMBER: _ClassVar[int]
    UNBONDING_PERIOD_FIELD_NUMBER: _ClassVar[int]
    CCV_TIMEOUT_PERIOD_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_TIMEOUT_PERIOD_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_REDISTRIBUTION_FRACTION_FIELD_NUMBER: _ClassVar[int]
    BLOCKS_PER_DISTRIBUTION_TRANSMISSION_FIELD_NUMBER: _ClassVar[int]
    HISTORICAL_ENTRIES_FIELD_NUMBER: _ClassVar[int]
    DISTRIBUTION_TRANSMISSION_CHANNEL_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_ID_FIELD_NUMBER: _ClassVar[int]
    initial_height: Height
    genesis_hash: bytes
    binary_hash: bytes
    spawn_time: _timestamp_pb2.Timestamp
    unbonding_period: _duration_pb2.Duration
    ccv_timeout_period: _duration_pb2.Duration
    transfer_timeout_period: _duration_pb2.Duration
    consumer_redistribution_fraction: str
    blocks_per_distribution_transmission: int
    historical_entries: int
    distribution_transmission_channel: str
    connection_id: str
    def __init__(self, initial_height: _Optional[_Union[Height, _Mapping]] = ..., genesis_hash: _Optional[bytes] = ..., binary_hash: _Optional[bytes] = ..., spawn_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., unbonding_period: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., ccv_timeout_period: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., transfer_timeout_period: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., consumer_redistribution_fraction: _Optional[str] = ..., blocks_per_distribution_transmission: _Optional[int] = ..., historical_entries: _Optional[int] = ..., distribution_transmission_channel: _Optional[str] = ..., connection_id: _Optional[str] = ...) -> None: ...

class PowerShapingParameters(_message.Message):
    __slots__ = ("top_N", "validators_power_cap", "validator_set_cap", "allowlist", "denylist", "min_stake", "allow_inactive_vals", "prioritylist")
    TOP_N_FIELD_NUMBER: _ClassVar[int]
    VALIDATORS_POWER_CAP_FIELD_NUMBER: _ClassVar[int]
    VALIDATOR_SET_CAP_FIELD_NUMBER: _ClassVar[int]
    ALLOWLIST_FIELD_NUMBER: _ClassVar[int]
    DENYLIST_FIELD_NUMBER: _ClassVar[int]
    MIN_STAKE_FIELD_NUMBER: _ClassVar[int]
    ALLOW_INACTIVE_VALS_FIELD_NUMBER: _ClassVar[int]
    PRIORITYLIST_FIELD_NUMBER: _ClassVar[int]
    top_N: int
    validators_power_cap: int
    validator_set_cap: int
    allowlist: _containers.RepeatedScalarFieldContainer[str]
    denylist: _containers.RepeatedScalarFieldContainer[str]
    min_stake: int
    allow_inactive_vals: bool
    prioritylist: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, top_N: _Optional[int] = ..., validators_power_cap: _Optional[int] = ..., validator_set_cap: _Optional[int] = ..., allowlist: _Optional[_Iterable[str]] = ..., denylist: _Optional[_Iterable[str]] = ..., min_stake: _Optional[int] = ..., allow_inactive_vals: bool = ..., prioritylist: _Optional[_Iterable[str]] = ...) -> None: ...

class AllowlistedRewardDenoms(_message.Message):
    __slots__ = ("denoms",)
    DENOMS_FIELD_NUMBER: _ClassVar[int]
    denoms: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, denoms: _Optional[_Iterable[str]] = ...) -> None: ...

class SlashJailParameters(_message.Message):
    __slots__ = ("slash_fraction", "jail_duration", "tombstone")
    SLASH_FRACTION_FIELD_NUMBER: _ClassVar[int]
    JAIL_DURATION_FIELD_NUMBER: _ClassVar[int]
    TOMBSTONE_FIELD_NUMBER: _ClassVar[int]
    slash_fraction: bytes
    jail_duration: _duration_pb2.Duration
    tombstone: bool
    def __init__(self, slash_fraction: _Optional[bytes] = ..., jail_duration: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., tombstone: bool = ...) -> None: ...

class InfractionParameters(_message.Message):
    __slots__ = ("double_sign", "downtime")
    DOUBLE_SIGN_FIELD_NUMBER: _ClassVar[int]
    DOWNTIME_FIELD_NUMBER: _ClassVar[int]
    double_sign: SlashJailParameters
    downtime: SlashJailParameters
    def __init__(self, double_sign: _Optional[_Union[SlashJailParameters, _Mapping]] = ..., downtime: _Optional[_Union[SlashJailParameters, _Mapping]] = ...) -> None: ...

class MsgCreateConsumer(_message.Message):
    __slots__ = ("submitter", "chain_id", "metadata", "initialization_parameters", "power_shaping_parameters", "allowlisted_reward_denoms", "infraction_parameters")
    SUBMITTER_FIELD_NUMBER: _ClassVar[int]
    CHAIN_ID_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    INITIALIZATION_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    POWER_SHAPING_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    ALLOWLISTED_REWARD_DENOMS_FIELD_NUMBER: _ClassVar[int]
    INFRACTION_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    submitter: str
    chain_id: str
    metadata: ConsumerMetadata
    initialization_parameters: ConsumerInitializationParameters
    power_shaping_parameters: PowerShapingParameters
    allowlisted_reward_denoms: AllowlistedRewardDenoms
    infraction_parameters: InfractionParameters
    def __init__(self, submitter: _Optional[str] = ..., chain_id: _Optional[str] = ..., metadata: _Optional[_Union[ConsumerMetadata, _Mapping]] = ..., initialization_parameters: _Optional[_Union[ConsumerInitializationParameters, _Mapping]] = ..., power_shaping_parameters: _Optional[_Union[PowerShapingParameters, _Mapping]] = ..., allowlisted_reward_denoms: _Optional[_Union[AllowlistedRewardDenoms, _Mapping]] = ..., infraction_parameters: _Optional[_Union[InfractionParameters, _Mapping]] = ...) -> None: ...

class MsgCreateConsumerResponse(_message.Message):
    __slots__ = ("consumer_id",)
    CONSUMER_ID_FIELD_NUMBER: _ClassVar[int]
    consumer_id: str
    def __init__(self, consumer_id: _Optional[str] = ...) -> None: ...

class MsgUpdateConsumer(_message.Message):
    __slots__ = ("owner", "consumer_id", "new_owner_address", "metadata", "initialization_parameters", "power_shaping_parameters", "allowlisted_reward_denoms", "new_chain_id", "infraction_parameters")
    OWNER_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_ID_FIELD_NUMBER: _ClassVar[int]
    NEW_OWNER_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    INITIALIZATION_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    POWER_SHAPING_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    ALLOWLISTED_REWARD_DENOMS_FIELD_NUMBER: _ClassVar[int]
    NEW_CHAIN_ID_FIELD_NUMBER: _ClassVar[int]
    INFRACTION_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    owner: str
    consumer_id: str
    new_owner_address: str
    metadata: ConsumerMetadata
    initialization_parameters: ConsumerInitializationParameters
    power_shaping_parameters: PowerShapingParameters
    allowlisted_reward_denoms: AllowlistedRewardDenoms
    new_chain_id: str
    infraction_parameters: InfractionParameters
    def __init__(self, owner: _Optional[str] = ..., consumer_id: _Optional[str] = ..., new_owner_address: _Optional[str] = ..., metadata: _Optional[_Union[ConsumerMetadata, _Mapping]] = ..., initialization_parameters: _Optional[_Union[ConsumerInitializationParameters, _Mapping]] = ..., power_shaping_parameters: _Optional[_Union[PowerShapingParameters, _Mapping]] = ..., allowlisted_reward_denoms: _Optional[_Union[AllowlistedRewardDenoms, _Mapping]] = ..., new_chain_id: _Optional[str] = ..., infraction_parameters: _Optional[_Union[InfractionParameters, _Mapping]] = ...) -> None: ...

class MsgUpdateConsumerResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class MsgRemoveConsumer(_message.Message):
    __slots__ = ("consumer_id", "owner")
    CONSUMER_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    consumer_id: str
    owner: str
    def __init__(self, consumer_id: _Optional[str] = ..., owner: _Optional[str] = ...) -> None: ...

class MsgRemoveConsumerResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
