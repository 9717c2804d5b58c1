{{/* What each component may do, as Elasticsearch's own role descriptions; one user with one role each.
     `index` of a document that exists overwrites it, which candles need; nobody but `setup` deletes. */}}
{{- define "cryptostream.elasticsearchRights" -}}
stream:
  # It looks whether the templates are there before it writes.
  cluster: ["indices:admin/index_template/get"]
  indices:
    - names: ["crypto-*"]
      privileges: [auto_configure, create_index, create, index, read, view_index_metadata]
setup:
  cluster: [monitor, manage_index_templates]
  indices:
    - names: ["crypto-*"]
      privileges: [view_index_metadata, delete_index, read]
checks:
  cluster: []
  indices:
    - names: ["crypto-*"]
      privileges: [read, view_index_metadata, maintenance]
{{- if .Values.board.enabled }}
board:
  cluster: [monitor]
  indices:
    - names: ["crypto-*"]
      privileges: [read, view_index_metadata]
{{- end }}
{{- if .Values.training.enabled }}
training:
  cluster: ["indices:admin/index_template/get"]
  indices:
    - names: ["crypto-*"]
      privileges: [read, view_index_metadata]
    - names: ["crypto-models-*", "crypto-drift-*"]
      privileges: [auto_configure, create_index, create, index]
{{- end }}
{{- if .Values.scoreboard.enabled }}
scoreboard:
  cluster: ["indices:admin/index_template/get"]
  indices:
    - names: ["crypto-*"]
      privileges: [read, view_index_metadata]
    - names: ["crypto-scores-*", "crypto-drift-*"]
      privileges: [auto_configure, create_index, create, index]
{{- end }}
{{- if .Values.alerts.enabled }}
alerts:
  cluster: ["indices:admin/index_template/get"]
  indices:
    - names: ["crypto-*"]
      privileges: [read, view_index_metadata]
    - names: ["crypto-receipts-*"]
      privileges: [auto_configure, create_index, create, index]
{{- end }}
{{- if .Values.audit.enabled }}
audit:
  cluster: ["indices:admin/index_template/get"]
  indices:
    - names: ["crypto-*"]
      privileges: [read, view_index_metadata]
    - names: ["crypto-truth-*"]
      privileges: [auto_configure, create_index, create, index]
{{- end }}
{{- if .Values.monitoring.elasticsearchExporter.enabled }}
exporter:
  cluster: [monitor]
  indices:
    - names: ["*"]
      privileges: [monitor]
{{- end }}
{{- end -}}
