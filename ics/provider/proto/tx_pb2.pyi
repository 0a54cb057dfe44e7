from typing import ClassVar as _ClassVar

from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message

DESCRIPTOR: _descriptor.FileDescriptor

class MsgOptIn(_message.Message):
    __slots__ = ("chain_id", "consumer_id", "consumer_key", "provider_addr", "signer")
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
    def __init__(self, chain_id: str | None = ..., provider_addr: str | None = ..., consumer_key: str | None = ..., signer: str | None = ..., consumer_id: str | None = ...) -> None: ...

class MsgOptInResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class MsgOptOut(_message.Message):
    __slots__ = ("chain_id", "consumer_id", "provider_addr", "signer")
    CHAIN_ID_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_ADDR_FIELD_NUMBER: _ClassVar[int]
    SIGNER_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_ID_FIELD_NUMBER: _ClassVar[int]
    chain_id: str
    provider_addr: str
    signer: str
    consumer_id: str
    def __init__(self, chain_id: str | None = ..., provider_addr: str | None = ..., signer: str | None = ..., consumer_id: str | None = ...) -> None: ...

class MsgOptOutResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class MsgAssignConsumerKey(_message.Message):
    __slots__ = ("chain_id", "consumer_id", "consumer_key", "provider_addr", "signer")
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
    def __init__(self, chain_id: str | None = ..., provider_addr: str | None = ..., consumer_key: str | None = ..., signer: str | None = ..., consumer_id: str | None = ...) -> None: ...

class MsgAssignConsumerKeyResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
