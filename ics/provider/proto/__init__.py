"""Protobuf messages of the provider chain: `tx.proto` is the source, `tx_pb2.py` and `.pyi` are generated.

After a change of `tx.proto`, regenerate them in the project's root (grpcio-tools 1.71.2 contains protoc 29.0,
whose code requires protobuf 5.29, the version that cosmpy 0.12.2 requires):

    python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. ics/provider/proto/tx.proto
"""
