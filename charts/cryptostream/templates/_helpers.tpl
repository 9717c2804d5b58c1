{{/* Names. A cluster's name must leave room for what operators append to it. */}}
{{- define "cryptostream.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 30 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 30 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 30 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Of a component: (dict "root" $ "component" "ingest") */}}
{{- define "cryptostream.name" -}}
{{ include "cryptostream.fullname" .root }}-{{ .component }}
{{- end -}}

{{- define "cryptostream.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "cryptostream.labels" -}}
{{ include "cryptostream.selector" . }}
app.kubernetes.io/part-of: cryptostream
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* The metadata of an object: name, namespace, labels. */}}
{{- define "cryptostream.metadata" -}}
name: {{ include "cryptostream.name" . }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "cryptostream.labels" . | nindent 2 }}
{{- end -}}

{{/* (dict "root" $ "image" .Values.ingest.image) */}}
{{- define "cryptostream.image" -}}
{{- $images := .root.Values.images -}}
{{- $tag := .image.tag | default $images.tag | default .root.Chart.AppVersion -}}
{{- with $images.registry }}{{ . }}/{{ end }}{{ .image.repository }}:{{ $tag }}
{{- end -}}

{{/* What every pod says: (dict "root" $ "component" "ingest" "token" true) */}}
{{- define "cryptostream.pod" -}}
serviceAccountName: {{ include "cryptostream.name" . }}
automountServiceAccountToken: {{ .token | default false }}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .root.Values.scheduling.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.scheduling.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.scheduling.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* What every container says: (dict "root" $ "image" .Values.ingest.image) */}}
{{- define "cryptostream.container" -}}
image: {{ include "cryptostream.image" . | quote }}
imagePullPolicy: {{ .root.Values.images.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{/* A component's account: (dict "root" $ "component" "ingest") */}}
{{- define "cryptostream.account" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "cryptostream.metadata" . | nindent 2 }}
automountServiceAccountToken: false
{{- end -}}

{{/* Further variables of a component, from its `env`. */}}
{{- define "cryptostream.env" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* The probes of a process: (dict "port" "metrics" "live" "/livez" "ready" "/readyz" "start" 60)
     `start` is how many seconds it may take until it lives. */}}
{{- define "cryptostream.probes" -}}
startupProbe:
  httpGet: {path: {{ .live }}, port: {{ .port }}}
  periodSeconds: 2
  timeoutSeconds: 4
  failureThreshold: {{ div .start 2 }}
livenessProbe:
  httpGet: {path: {{ .live }}, port: {{ .port }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: {{ .ready }}, port: {{ .port }}}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end -}}
