module hearth/cluster/pause

go 1.26.0
