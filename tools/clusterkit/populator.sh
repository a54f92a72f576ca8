#!/bin/sh
# Fills volumes for Kubernetes' own storage tests, which know it as `hello-populator`: a claim whose data is to
# come from a `Hello` gets a volume with the file that the Hello describes.
#
# As every populator does it: a claim of its own gets the volume on the node that was selected, a pod writes
# the file, and the PersistentVolume is handed over to the claim that waits for it.
set -u
PATH=$PATH:/
for argument in "$@"; do
    case $argument in --namespace=*) namespace=${argument#*=} ;; esac
done

# A line for each claim that waits for a Hello and has a node: namespace, name, uid, Hello, class, size, node.
waiting() {
    kubectl get pvc --all-namespaces --output jsonpath='{range .items[?(@.spec.dataSourceRef.kind=="Hello")]}{.status.phase} {.metadata.namespace} {.metadata.name} {.metadata.uid} {.spec.dataSourceRef.name} {.spec.storageClassName} {.spec.resources.requests.storage} {.metadata.annotations.volume\.kubernetes\.io/selected-node}{"\n"}{end}' |
        awk '$1 == "Pending" && NF == 8 { $1 = ""; print }'
}

hello() { # NAMESPACE NAME FIELD
    kubectl get hellos.hello.example.com --namespace "$1" "$2" --output "jsonpath={.spec.$3}"
}

own() { # UID CLASS SIZE NODE FILE CONTENTS
    kubectl create --filename - <<EOF
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: prime-$1
  namespace: $namespace
  annotations: {volume.kubernetes.io/selected-node: "$4"}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: "$2"
  resources: {requests: {storage: "$3"}}
---
apiVersion: v1
kind: Pod
metadata:
  name: populate-$1
  namespace: $namespace
spec:
  restartPolicy: OnFailure
  containers:
    - name: writer
      image: registry.k8s.io/e2e-test-images/busybox:1.37.0-1
      command: [sh, -c, 'printf %s "\$CONTENTS" >"/mnt/\$FILE" && sync']
      env: [{name: FILE, value: "$5"}, {name: CONTENTS, value: "$6"}]
      volumeMounts: [{name: data, mountPath: /mnt}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: "prime-$1"}}]
EOF
}

is_written() { # UID
    [ "$(kubectl get pod --namespace "$namespace" "populate-$1" --output 'jsonpath={.status.phase}')" = Succeeded ]
}

hand_over() { # NAMESPACE NAME UID
    volume=$(kubectl get pvc --namespace "$namespace" "prime-$3" --output 'jsonpath={.spec.volumeName}')
    claim="\"namespace\":\"$1\",\"name\":\"$2\",\"uid\":\"$3\",\"resourceVersion\":null"
    kubectl patch pv "$volume" --patch "{\"spec\":{\"claimRef\":{$claim}}}" &&
        kubectl delete --namespace "$namespace" "pod/populate-$3" "pvc/prime-$3"
}

while sleep 2; do
    waiting | while read -r where name uid source class size node; do
        if is_written "$uid" 2>/dev/null; then
            hand_over "$where" "$name" "$uid"
        else
            own "$uid" "$class" "$size" "$node" \
                "$(hello "$where" "$source" fileName)" "$(hello "$where" "$source" fileContents)" 2>&1 |
                grep -v AlreadyExists # it is asked for again until the pod is done
        fi
    done
done
