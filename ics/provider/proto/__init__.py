"""Protobuf messages of the provider chain: `tx.proto` is written here, `tx_pb2.py` and `.pyi` are made of it.

Make them again, in the project's root, after a change of `tx.proto` (grpcio-tools 1.71.2 brings protoc
29.0, whose code runs with protobuf 5.29, the version that cosmpy 0.12.2 wants):

    python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. ics/provider/proto/tx.proto
"""
