"""How Hearth speaks gRPC: sockets, what happens around every call, and errors as status codes.

Services are plain classes named as in the ``.proto``, with one method for each RPC; they see messages
and never gRPC. There are no rules of storage here.
"""
