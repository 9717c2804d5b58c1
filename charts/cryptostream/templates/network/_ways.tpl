{{/* The ways between pods: who may be reached by whom. Everything else is closed. */}}

{{/* Pods of a component, as a peer: (dict "root" $ "component" "predictor") */}}
{{- define "cryptostream.peer" -}}
podSelector:
  matchLabels:
    {{- include "cryptostream.selector" . | nindent 4 }}
{{- end -}}

{{/* Egress to a server: (dict "root" $ "server" "kafka") */}}
{{- define "cryptostream.wayTo" -}}
{{- $values := .root.Values -}}
{{- $name := include "cryptostream.fullname" .root -}}
{{- if eq .server "kafka" -}}
{{- if eq $values.kafka.mode "strimzi" -}}
- to: [{podSelector: {matchLabels: {strimzi.io/cluster: {{ $name }}, strimzi.io/kind: Kafka}}}]
  ports: [{port: 9093}]
{{- else -}}
- to: [{ipBlock: {cidr: {{ $values.network.externalKafka.cidr }}}}]
  ports: {{ include "cryptostream.ports" $values.network.externalKafka.ports }}
{{- end -}}
{{- else if eq .server "elasticsearch" -}}
{{- if eq $values.elasticsearch.mode "eck" -}}
- to: [{podSelector: {matchLabels: {elasticsearch.k8s.elastic.co/cluster-name: {{ $name }}}}}]
  ports: [{port: 9200}]
{{- else -}}
- to: [{ipBlock: {cidr: {{ $values.network.externalElasticsearch.cidr }}}}]
  ports: {{ include "cryptostream.ports" $values.network.externalElasticsearch.ports }}
{{- end -}}
{{- else if eq .server "kibana" -}}
{{- if eq $values.elasticsearch.mode "eck" -}}
- to: [{podSelector: {matchLabels: {kibana.k8s.elastic.co/name: {{ $name }}}}}]
  ports: [{port: 5601}]
{{- end -}}
{{- else if eq .server "api" -}}
- to: [{ipBlock: {cidr: {{ $values.network.apiServer.cidr }}}}]
  ports: {{ include "cryptostream.ports" $values.network.apiServer.ports }}
{{- else if and (eq .server "exchange") $values.simulator.enabled -}}
- to: [{podSelector: {matchLabels: {{ include "cryptostream.selector" (dict "root" .root "component" "simulator") | fromYaml | toJson }}}}]
  ports: [{port: 18080}]
{{- else if has .server (list "exchange" "internet") -}}
- to: [{ipBlock: {cidr: 0.0.0.0/0, except: {{ toJson $values.network.privateRanges }}}}]
  ports: [{port: 443}]
{{- else -}}
- to: [{podSelector: {matchLabels: {{ include "cryptostream.selector" (dict "root" .root "component" .server) | fromYaml | toJson }}}}]
  ports: {{ include "cryptostream.ports" .ports }}
{{- end -}}
{{- end -}}

{{/* [443, 6443] as the ports of a rule. */}}
{{- define "cryptostream.ports" -}}
{{- $ports := list -}}
{{- range . }}{{ $ports = append $ports (dict "port" (int .)) }}{{ end -}}
{{ toJson $ports }}
{{- end -}}
