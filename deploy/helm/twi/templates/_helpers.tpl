{{/* Names. A service, its program and its image are named as in its SPIFFE ID; its config file with underscores; its values in camel case. */}}
{{- define "twi.fullname" -}}
{{- /* 31: the longest StatefulSet, "-credential-authority", and the 11 characters that Kubernetes adds for the label controller-revision-hash make 63. */}}
{{- ternary .Release.Name (printf "%s-twi" .Release.Name) (contains "twi" .Release.Name) | trunc 31 | trimSuffix "-" }}
{{- end }}
{{- define "twi.configName" -}}{{ . | replace "-" "_" }}{{- end }}
{{- define "twi.valuesKey" -}}{{ . | replace "-" "_" | camelcase | untitle }}{{- end }}
{{- define "twi.port" -}}
{{- get (dict "verifier" 8441 "claims-mapper" 8442 "credential-authority" 8443 "key-store" 8444) . -}}
{{- end }}

{{- define "twi.metricsPort" -}}9464{{- end }}

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
{{- $name := printf "%s/twi/%s" $image.registry .service -}}
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

{{/* "90s", "10m", "24h" in seconds. */}}
{{- define "twi.seconds" -}}
{{- mul (regexFind "^[0-9]+" . | int64) (get (dict "s" 1 "m" 60 "h" 3600) (regexFind "[smh]$" .)) -}}
{{- end }}

{{/* SPIFFE IDs of the relying parties that have Attestation Results mapped (mapsClaims), as a list. */}}
{{- define "twi.mappedIds" -}}
{{- $ids := list -}}
{{- range .Values.verifier.rest.relyingParties }}{{ if dig "mapsClaims" false . }}{{ $ids = append $ids .spiffeId }}{{ end }}{{ end -}}
{{ $ids | uniq | toJson }}
{{- end }}

{{/* The Secret with a service's certificate. */}}
{{- define "twi.tlsSecret" -}}
{{- if .root.Values.certificates.certManager.enabled }}{{ include "twi.fullname" .root }}-{{ .service }}-tls{{ else }}{{ get .root.Values.certificates.secrets (include "twi.valuesKey" .service) }}{{ end }}
{{- end }}

{{/* Fails where a name is in `seen` already: {seen: {name: field}, field, name, what}. */}}
{{- define "twi.once" -}}
{{- if hasKey .seen .name }}{{ fail (printf "%s and %s are the same, %s: %s" (get .seen .name) .field .name .what) }}{{ end }}
{{- $_ := set .seen .name .field }}
{{- end }}

{{/* What the schema cannot say: values that are required because of others, or contradict them. */}}
{{- define "twi.validate" -}}
{{- $v := .Values }}
{{- if not $v.trustDomain }}{{ fail "trustDomain is required" }}{{ end }}
{{- if not $v.image.registry }}{{ fail "image.registry is required, also with digests: where you pushed the images (registry.example.org); without it docker.io/twi would be asked, which is not ours" }}{{ end }}
{{- if and (has $v.image.registry (list "docker.io" "index.docker.io")) (ne $v.image.pullPolicy "Never") }}{{ fail "image.registry docker.io is for images that were imported onto the nodes: with pullPolicy Never, because docker.io/twi is not ours" }}{{ end }}
{{- if and (has "D" $v.mechanisms) (not $v.rpIds.keyStore) }}{{ fail "rpIds.keyStore is required with mechanism D" }}{{ end }}
{{- if and $v.certificates.certManager.enabled (not $v.certificates.certManager.issuerRef.name) }}{{ fail "certificates.certManager.issuerRef.name is required" }}{{ end }}
{{- if le (include "twi.seconds" $v.certificates.certManager.duration | int64) (include "twi.seconds" $v.certificates.certManager.renewBefore | int64) }}{{ fail "certificates.certManager.renewBefore must be less than duration" }}{{ end }}
{{- $secrets := dict }}
{{- $own := "each Secret is of one service, for one thing" }}
{{- range splitList " " (include "twi.services" .) }}
{{- $key := include "twi.valuesKey" . }}
{{- if not (get $v.rootKeys $key) }}{{ fail (printf "rootKeys.%s is required: the Secret that holds the root key of its store" $key) }}{{ end }}
{{- if and (not $v.certificates.certManager.enabled) (not (get $v.certificates.secrets $key)) }}{{ fail (printf "certificates.secrets.%s is required without certificates.certManager.enabled" $key) }}{{ end }}
{{- include "twi.once" (dict "seen" $secrets "field" (printf "rootKeys.%s" $key) "name" (get $v.rootKeys $key) "what" $own) }}
{{- include "twi.once" (dict "seen" $secrets "field" (printf "certificates.secrets.%s" $key) "name" (include "twi.tlsSecret" (dict "root" $ "service" .)) "what" $own) }}
{{- end }}
{{- with $v.credentialAuthority.issuingKeySecret }}{{ include "twi.once" (dict "seen" $secrets "field" "credentialAuthority.issuingKeySecret" "name" . "what" $own) }}{{ end }}
{{- if $v.metrics.enabled }}
{{- if not $v.metrics.secretName }}{{ fail "metrics.secretName is required with metrics.enabled: the certificate of the HTTPS listener" }}{{ end }}
{{- if not $v.metrics.peers }}{{ fail "metrics.peers is required with metrics.enabled: the SPIFFE IDs that may scrape" }}{{ end }}
{{- include "twi.once" (dict "seen" $secrets "field" "metrics.secretName" "name" $v.metrics.secretName "what" $own) }}
{{- end }}
{{- $rps := dict "" "" }}
{{- $distinct := "Evidence is bound to one relying party" }}
{{- include "twi.once" (dict "seen" $rps "field" "rpIds.credentialAuthority" "name" $v.rpIds.credentialAuthority "what" $distinct) }}
{{- if has "D" $v.mechanisms }}{{ include "twi.once" (dict "seen" $rps "field" "rpIds.keyStore" "name" $v.rpIds.keyStore "what" $distinct) }}{{ end }}
{{- range $i, $party := $v.verifier.rest.relyingParties }}{{ include "twi.once" (dict "seen" $rps "field" (printf "verifier.rest.relyingParties[%d].rpId" $i) "name" $party.rpId "what" $distinct) }}{{ end }}
{{- $lifetime := include "twi.seconds" $v.credentialAuthority.maxLifetime | int64 }}
{{- if or (lt $lifetime 60) (gt $lifetime 86400) }}{{ fail "credentialAuthority.maxLifetime: expected 1m to 24h" }}{{ end }}
{{- $owners := dict }}
{{- range $i, $owner := $v.claimsMapper.owners }}
{{- include "twi.once" (dict "seen" $owners "field" (printf "claimsMapper.owners[%d].name" $i) "name" $owner.name "what" "each owner once, with all its prefixes") }}
{{- range $owner.identifierPrefixes }}
{{- if not (hasPrefix (printf "spiffe://%s/" $v.trustDomain) .) }}{{ fail (printf "claimsMapper.owners: %s is outside the trust domain %s" . $v.trustDomain) }}{{ end }}
{{- if hasPrefix (printf "spiffe://%s/twi/" $v.trustDomain) . }}{{ fail (printf "claimsMapper.owners: %s is of TWI's own services: no owner may grant it" .) }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
