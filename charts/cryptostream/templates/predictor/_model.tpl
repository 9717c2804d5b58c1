{{/* The volume of models: what its users mount, and, for a volume of one node, that they share the node. */}}
{{- define "cryptostream.modelsMount" -}}
- {name: models, mountPath: /var/lib/cryptostream/models}
{{- end -}}

{{- define "cryptostream.modelsVolume" -}}
- name: models
  persistentVolumeClaim: {claimName: {{ include "cryptostream.name" (dict "root" . "component" "models") }}}
{{- end -}}

{{- define "cryptostream.modelsEnv" -}}
- name: BENTOML_HOME
  value: /var/lib/cryptostream/models/store
- name: BENTOML_DO_NOT_TRACK
  value: "True"
- name: OMP_NUM_THREADS
  value: "1"
{{- end -}}

{{- define "cryptostream.modelsLabel" -}}
cryptostream/uses-models: "true"
{{- end -}}

{{- define "cryptostream.modelsAffinity" -}}
{{- if eq .Values.models.storage.accessMode "ReadWriteOnce" -}}
affinity:
  podAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            app.kubernetes.io/instance: {{ .Release.Name }}
            {{- include "cryptostream.modelsLabel" . | nindent 12 }}
{{- end -}}
{{- end -}}
