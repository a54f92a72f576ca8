{{/* Begins the names of all objects. Too long a name is refused: cut off, two releases could meet. */}}
{{- define "hearth.fullname" -}}
{{- $name := .Values.fullnameOverride | default .Release.Name -}}
{{- if gt (len $name) 30 -}}
{{- fail (printf "the name %q has %d characters, at most 30 fit: set fullnameOverride" $name (len $name)) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{/* Begins the names of cluster-wide objects, so that releases of one name in two namespaces get along. */}}
{{- define "hearth.clustername" -}}
{{ .Release.Namespace }}:{{ include "hearth.fullname" . }}
{{- end -}}

{{- define "hearth.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "hearth.labels" -}}
{{ include "hearth.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Without versions: a new chart with the same program does not restart it. */}}
{{- define "hearth.podLabels" -}}
{{ include "hearth.selectorLabels" . }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "hearth.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What a container may do that needs no privilege. */}}
{{- define "hearth.unprivileged" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* The same for its pod. 65532 is nobody in particular; all containers share it for the socket's sake. */}}
{{- define "hearth.unprivilegedPod" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "hearth.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 3
  failureThreshold: 60
# A node whose processors are all busy for a while is no reason to end what serves it.
livenessProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 20
  timeoutSeconds: 10
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 5
  timeoutSeconds: 3
{{- end -}}

{{- define "hearth.leaderElection" -}}
- --leader-election
- --leader-election-namespace=$(NAMESPACE)
- --leader-election-lease-duration={{ .leaseDuration }}
- --leader-election-renew-deadline={{ .renewDeadline }}
- --leader-election-retry-period={{ .retryPeriod }}
{{- end -}}

{{/* The Secret with the certificate of a role: `include "hearth.tlsSecret" (list . "node")`. */}}
{{- define "hearth.tlsSecret" -}}
{{- $root := index . 0 -}}
{{- $role := index . 1 -}}
{{- if eq $root.Values.tls.mode "existingSecret" -}}
{{- index $root.Values.tls.existingSecret $role | required (printf "tls.existingSecret.%s: with tls.mode existingSecret this must name a Secret" $role) -}}
{{- else -}}
{{ include "hearth.fullname" $root }}-{{ $role }}-tls
{{- end -}}
{{- end -}}

{{/* Refuses what the schema cannot see. */}}
{{- define "hearth.validate" -}}
{{- include "hearth.distinct" (list "nodeGroups" .Values.nodeGroups) -}}
{{- include "hearth.distinct" (list "storageClasses" .Values.storageClasses) -}}
{{- include "hearth.distinct" (list "snapshots.classes" .Values.snapshots.classes) -}}
{{- include "hearth.distinct" (list "snapshots.groups.classes" .Values.snapshots.groups.classes) -}}
{{- $common := .Values.commonLabels | default dict -}}
{{- range list "node" "controller" "operator" -}}
{{- include "hearth.apart" (list (printf "%s.podLabels" .) (index $.Values . "podLabels") $common) -}}
{{- end -}}
{{- range list "serviceMonitor" "prometheusRule" "dashboard" -}}
{{- include "hearth.apart" (list (printf "metrics.%s.labels" .) (index $.Values.metrics . "labels") $common) -}}
{{- end -}}
{{- range concat .Values.storageClasses .Values.snapshots.classes .Values.snapshots.groups.classes -}}
{{- include "hearth.apart" (list (printf "labels of class %s" .name) (.labels | default dict) $common) -}}
{{- end -}}
{{- range .Values.nodeGroups -}}
{{- include "hearth.distinct" (list (printf "nodeGroups[%s].backends" .name) .backends) -}}
{{- end -}}
{{- if and (or .Values.snapshots.enabled .Values.snapshotController.enabled) (lookup "v1" "Namespace" "" "kube-system") -}}
{{- if not (or (.Capabilities.APIVersions.Has "snapshot.storage.k8s.io/v1") (and .Release.IsInstall .Values.snapshotCRDs.enabled)) -}}
{{- $ways := "install with snapshotCRDs.enabled=true, or" -}}
{{- if .Release.IsUpgrade -}}{{- $ways = "an upgrade makes no CRDs, so" -}}{{- end -}}
{{- fail (printf "this cluster has no VolumeSnapshots: %s make their CRDs before (kubectl apply --server-side --filename charts/snapshot-crds/crds of this chart, or those of https://github.com/kubernetes-csi/external-snapshotter, folder client/config/crd), or set snapshots.enabled=false" $ways) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Two labels of one name on one object: which of them counts, nobody could tell. */}}
{{- define "hearth.apart" -}}
{{- $common := index . 2 -}}
{{- range $key, $_ := (index . 1) -}}
{{- if hasKey $common $key -}}
{{- fail (printf "%s: %q is in commonLabels too" (index $ 0) $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "hearth.distinct" -}}
{{- $seen := dict -}}
{{- range (index . 1) -}}
{{- if hasKey $seen .name -}}
{{- fail (printf "%s: two entries are called %q" (index $ 0) .name) -}}
{{- end -}}
{{- $_ := set $seen .name true -}}
{{- end -}}
{{- end -}}

{{/* "true" if the cluster has snapshots of groups, whoever makes them, else nothing. */}}
{{- define "hearth.groupsThere" -}}
{{- $served := .Capabilities.APIVersions.Has "groupsnapshot.storage.k8s.io/v1" -}}
{{- $mode := .Values.snapshots.groups.mode -}}
{{- if or (eq $mode "always") (and (eq $mode "auto") $served) -}}
true
{{- end -}}
{{- end -}}

{{/* "true" if this driver makes them, else nothing. */}}
{{- define "hearth.groups" -}}
{{- if .Values.snapshots.enabled -}}
{{- include "hearth.groupsThere" . -}}
{{- end -}}
{{- end -}}
