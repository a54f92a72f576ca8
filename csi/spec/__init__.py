"""The protocols as ``.proto`` files of our own, and the code generated from them.

Generated code is committed so that neither an installation nor a test needs a compiler. It is made
by ``tools/proto`` at the lowest protobuf that the package allows; a test repeats that and compares.
There are no ``*_pb2_grpc`` modules: `csi.rpc` binds services from the descriptors.
"""
