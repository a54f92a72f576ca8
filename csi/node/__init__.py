"""The Node service: volumes become devices, filesystems and mounts on this node.

`servicer` and `convert` know messages; everything else here knows neither gRPC nor protobuf. A Linux
node is touched in three places only: `devices` (block devices), `filesystems` and `mounts`.
"""
