module hearth/cluster/resizer

go 1.26.0

require github.com/kubernetes-csi/external-resizer/v2 v2.3.0

tool (
	github.com/kubernetes-csi/external-resizer/v2/cmd/csi-resizer
)
