{{/* How components reach Kafka, Elasticsearch and Kibana. */}}

{{/* Kafka's user is named as the component is: (dict "root" $ "component" "ingest") */}}
{{- define "cryptostream.kafkaEnv" -}}
{{- $kafka := .root.Values.kafka -}}
{{- if eq $kafka.mode "strimzi" -}}
- name: KAFKA_BOOTSTRAP_SERVERS
  value: {{ include "cryptostream.fullname" .root }}-kafka-bootstrap.{{ .root.Release.Namespace }}.svc:9093
- name: KAFKA_SECURITY_PROTOCOL
  value: SASL_SSL
- name: KAFKA_SASL_MECHANISM
  value: SCRAM-SHA-512
- name: KAFKA_SASL_USERNAME
  value: {{ include "cryptostream.name" . }}
- name: KAFKA_SASL_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ include "cryptostream.name" . }}, key: password}}
- name: KAFKA_CA_CERTS
  value: /etc/cryptostream/kafka/ca.crt
{{- else -}}
{{- with $kafka.external -}}
- name: KAFKA_BOOTSTRAP_SERVERS
  value: {{ required "kafka.external.bootstrapServers: say where your Kafka is (host:port)" .bootstrapServers | quote }}
- name: KAFKA_SECURITY_PROTOCOL
  value: {{ .securityProtocol }}
{{- if hasPrefix "SASL_" .securityProtocol }}
{{- $secret := required (printf "kafka.external.credentialsSecret: %s needs a Secret with the keys username and password" .securityProtocol) .credentialsSecret }}
- name: KAFKA_SASL_MECHANISM
  value: {{ .saslMechanism }}
- name: KAFKA_SASL_USERNAME
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: username}}
- name: KAFKA_SASL_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: password}}
{{- end }}
{{- if .caSecret.name }}
- name: KAFKA_CA_CERTS
  value: /etc/cryptostream/kafka/ca.crt
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* (dict "root" $ "component" "board") */}}
{{- define "cryptostream.elasticsearchEnv" -}}
{{- $search := .root.Values.elasticsearch -}}
{{- $secret := include "cryptostream.elasticsearchSecret" . -}}
- name: ELASTICSEARCH_URL
  {{- if eq $search.mode "eck" }}
  value: https://{{ include "cryptostream.fullname" .root }}-es-http.{{ .root.Release.Namespace }}.svc:9200
  {{- else }}
  value: {{ required "elasticsearch.external.url: say where your Elasticsearch is (https://host:9200)" $search.external.url | quote }}
  {{- end }}
{{- if $secret }}
- name: ELASTICSEARCH_USERNAME
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: username}}
- name: ELASTICSEARCH_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: password}}
{{- end }}
{{- if include "cryptostream.elasticsearchAuthority" .root }}
- name: ELASTICSEARCH_CA_CERTS
  value: /etc/cryptostream/elasticsearch/ca.crt
{{- end }}
{{- end -}}

{{/* The Secret with a component's user and password; nothing if none is needed. */}}
{{- define "cryptostream.elasticsearchSecret" -}}
{{- $search := .root.Values.elasticsearch -}}
{{- if eq $search.mode "eck" -}}
{{ include "cryptostream.fullname" .root }}-es-user-{{ .component }}
{{- else -}}
{{- get $search.external.componentSecrets .component | default $search.external.credentialsSecret -}}
{{- end -}}
{{- end -}}

{{/* The Secrets of authorities as NAME/KEY; nothing if the system's are trusted. */}}
{{- define "cryptostream.kafkaAuthority" -}}
{{- if eq .Values.kafka.mode "strimzi" -}}
{{ include "cryptostream.fullname" . }}-cluster-ca-cert/ca.crt
{{- else if .Values.kafka.external.caSecret.name -}}
{{ .Values.kafka.external.caSecret.name }}/{{ .Values.kafka.external.caSecret.key }}
{{- end -}}
{{- end -}}

{{- define "cryptostream.elasticsearchAuthority" -}}
{{- if eq .Values.elasticsearch.mode "eck" -}}
{{ include "cryptostream.fullname" . }}-es-http-certs-public/ca.crt
{{- else if .Values.elasticsearch.external.caSecret.name -}}
{{ .Values.elasticsearch.external.caSecret.name }}/{{ .Values.elasticsearch.external.caSecret.key }}
{{- end -}}
{{- end -}}

{{- define "cryptostream.kibanaAuthority" -}}
{{- if eq .Values.elasticsearch.mode "eck" -}}
{{ include "cryptostream.fullname" . }}-kb-http-certs-public/ca.crt
{{- else if .Values.kibana.external.caSecret.name -}}
{{ .Values.kibana.external.caSecret.name }}/{{ .Values.kibana.external.caSecret.key }}
{{- end -}}
{{- end -}}

{{/* Where Kibana is; nothing if there is none. */}}
{{- define "cryptostream.kibanaUrl" -}}
{{- if eq .Values.elasticsearch.mode "external" -}}
{{ .Values.kibana.external.url }}
{{- else if .Values.kibana.enabled -}}
https://{{ include "cryptostream.fullname" . }}-kb-http.{{ .Release.Namespace }}.svc:5601
{{- end -}}
{{- end -}}

{{/* The mounts and volumes of /tmp and of the authorities of some servers:
     (dict "root" $ "servers" (list "kafka" "elasticsearch")) */}}
{{- define "cryptostream.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- range .servers }}
{{- if include (printf "cryptostream.%sAuthority" .) $.root }}
- {name: {{ . }}-ca, mountPath: /etc/cryptostream/{{ . }}, readOnly: true}
{{- end }}
{{- end }}
{{- end -}}

{{- define "cryptostream.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: {{ .tmp | default "256Mi" }}}
{{- range $server := .servers }}
{{- with include (printf "cryptostream.%sAuthority" $server) $.root }}
{{- $place := splitList "/" . }}
- name: {{ $server }}-ca
  secret:
    secretName: {{ first $place }}
    items: [{key: {{ last $place }}, path: ca.crt}]
{{- end }}
{{- end }}
{{- end -}}

{{/* Where trades come from. */}}
{{- define "cryptostream.simulatorHost" -}}
{{ include "cryptostream.fullname" . }}-simulator:18080
{{- end -}}
