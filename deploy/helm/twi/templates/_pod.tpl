{{/* What a daemon's pod and the check of its config (check.yaml) have in common. */}}
{{- define "twi.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
# Else each mount would open the database to the group, and the daemon refuses a database that others may use.
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "twi.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "twi.placement" -}}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 0 }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{ toYaml . | nindent 0 }}
{{- end }}
{{- with .root.Values.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "twi.mounts" -}}
- {name: config, mountPath: /etc/twi/config, readOnly: true}
- {name: tls, mountPath: /etc/twi/tls, readOnly: true}
# By subPath, for the file itself: the daemon follows no symbolic link to its root key, and a root key is never exchanged under a running daemon.
- {name: root-key, mountPath: /etc/twi/keys/root.key, subPath: root.key, readOnly: true}
{{- if and (eq .service "credential-authority") .root.Values.credentialAuthority.issuingKeySecret }}
- {name: issuing, mountPath: /etc/twi/issuing, readOnly: true}
{{- end }}
{{- if .root.Values.metrics.enabled }}
- {name: metrics, mountPath: /etc/twi/metrics, readOnly: true}
{{- end }}
- {name: store, mountPath: /var/lib/twi}
{{- end }}

{{/* All but the store. `configMap` is where the config stands. */}}
{{- define "twi.volumes" -}}
- name: config
  configMap: {name: {{ .configMap }}, defaultMode: 0444}
# Root's files, which the group of the pod alone may read.
- name: tls
  secret:
    secretName: {{ include "twi.tlsSecret" . }}
    defaultMode: 0440
- name: root-key
  secret:
    secretName: {{ get .root.Values.rootKeys (include "twi.valuesKey" .service) }}
    defaultMode: 0440
    items: [{key: root.key, path: root.key}]
{{- if and (eq .service "credential-authority") .root.Values.credentialAuthority.issuingKeySecret }}
- name: issuing
  secret:
    secretName: {{ .root.Values.credentialAuthority.issuingKeySecret }}
    defaultMode: 0440
{{- end }}
{{- if .root.Values.metrics.enabled }}
- name: metrics
  secret:
    secretName: {{ .root.Values.metrics.secretName }}
    defaultMode: 0440
{{- end }}
{{- end }}
