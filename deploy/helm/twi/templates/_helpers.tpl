{{/* Names. A service, its program and its image are named as in its SPIFFE ID; its config file with underscores; its values in camel case. */}}
{{- define "twi.fullname" -}}
{{- if contains "twi" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-twi" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}
{{- define "twi.configName" -}}{{ . | replace "-" "_" }}{{- end }}
{{- define "twi.valuesKey" -}}{{ . | replace "-" "_" | camelcase | untitle }}{{- end }}
{{- define "twi.port" -}}
{{- get (dict "verifier" 8441 "claims-mapper" 8442 "credential-authority" 8443 "key-store" 8444) . -}}
{{- end }}

{{/* The services that are deployed, separated by blanks. */}}
{{- define "twi.services" -}}
verifier claims-mapper credential-authority{{ if has "D" .Values.mechanisms }} key-store{{ end }}
{{- end }}

{{- define "twi.spiffeId" -}}spiffe://{{ .root.Values.trustDomain }}/twi/{{ .service }}{{- end }}

{{- define "twi.selectorLabels" -}}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/part-of: twi
app.kubernetes.io/name: {{ .service }}
{{- end }}

{{- define "twi.labels" -}}
{{ include "twi.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "twi.image" -}}
{{- $image := .root.Values.image -}}
{{- $name := printf "%stwi/%s" (ternary "" (printf "%s/" $image.registry) (empty $image.registry)) .service -}}
{{- with get $image.digests .service }}{{ $name }}@{{ . }}{{ else }}{{ $name }}:{{ $image.tag | default .root.Chart.AppVersion }}{{ end }}
{{- end }}

{{/* A peer in a config: where it listens, who must answer. */}}
{{- define "twi.peer" -}}
address: {{ include "twi.fullname" .root }}-{{ .service }}.{{ .root.Release.Namespace }}.svc:{{ include "twi.port" .service }}
spiffe_id: {{ include "twi.spiffeId" . }}
{{- end }}

{{- define "twi.ownerIds" -}}
{{- $ids := list -}}
{{- range .Values.claimsMapper.owners }}{{ $ids = append $ids (printf "spiffe://%s/owner/%s" $.Values.trustDomain .name) }}{{ end -}}
{{ $ids | toJson }}
{{- end }}

{{/* What the schema cannot say: values that are required because of others. */}}
{{- define "twi.validate" -}}
{{- if not .Values.trustDomain }}{{ fail "trustDomain is required" }}{{ end }}
{{- if and (has "D" .Values.mechanisms) (not .Values.rpIds.keyStore) }}{{ fail "rpIds.keyStore is required with mechanism D" }}{{ end }}
{{- if and .Values.certificates.certManager.enabled (not .Values.certificates.certManager.issuerRef.name) }}{{ fail "certificates.certManager.issuerRef.name is required" }}{{ end }}
{{- range splitList " " (include "twi.services" .) }}
{{- $key := include "twi.valuesKey" . }}
{{- if not (get $.Values.rootKeys $key) }}{{ fail (printf "rootKeys.%s is required: the Secret that holds the root key of its store" $key) }}{{ end }}
{{- if and (not $.Values.certificates.certManager.enabled) (not (get $.Values.certificates.secrets $key)) }}{{ fail (printf "certificates.secrets.%s is required without certificates.certManager.enabled" $key) }}{{ end }}
{{- end }}
{{- range .Values.claimsMapper.owners }}
{{- range .identifierPrefixes }}
{{- if not (hasPrefix (printf "spiffe://%s/" $.Values.trustDomain) .) }}{{ fail (printf "claimsMapper.owners: %s is outside the trust domain %s" . $.Values.trustDomain) }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
