{{/* The daemons' configs, as config/*.yaml documents them; who may call what follows from the mechanisms. */}}
{{- define "twi.config.common" -}}
log: {level: {{ .root.Values.logLevel }}}
server:
  listen: {{ printf "%s:%s" .root.Values.listenAddress (include "twi.port" .service) | quote }}
  tls:
    certificate_file: /etc/twi/tls/tls.crt
    key_file: /etc/twi/tls/tls.key
    trust_bundle_file: /etc/twi/tls/ca.crt
  drain_timeout: {{ .root.Values.drain.drainSeconds }}s
{{- if .root.Values.metrics.enabled }}
  metrics:
    listen: {{ printf "%s:%s" .root.Values.listenAddress (include "twi.metricsPort" .) | quote }}
    tls:
      certificate_file: /etc/twi/metrics/tls.crt
      key_file: /etc/twi/metrics/tls.key
      trust_bundle_file: /etc/twi/metrics/ca.crt
    peers: {{ .root.Values.metrics.peers | uniq | toJson }}
{{- end }}
  allow:
{{- range $rpc, $peers := .allow }}
{{- if $peers }}
  - {rpc: {{ $rpc }}, peers: {{ $peers | uniq | toJson }}}
{{- end }}
{{- end }}
storage:
  database_file: /var/lib/twi/{{ .service }}.db
  root_key_file: /etc/twi/keys/root.key
{{- end }}

{{- define "twi.config.verifier" -}}
{{- $m := .Values.mechanisms -}}
{{- $id := dict -}}
{{- range list "verifier" "claims-mapper" "credential-authority" "key-store" }}{{ $_ := set $id . (include "twi.spiffeId" (dict "root" $ "service" .)) }}{{ end -}}
{{- $allow := dict
  "NewChallenge" (ternary (list "attested_key") (list) (or (has "A" $m) (has "B" $m) (has "D" $m)))
  "Appraise" (ternary (list "attested_key") (list) (or (has "B" $m) (has "D" $m)))
  "RequestCredential" (ternary (list "attested_key") (list) (has "A" $m))
  "AppraiseForRelyingParty" (ternary (list (get $id "credential-authority")) (list) (has "C" $m))
  "GetVerifierKeys" (concat (ternary (list "attested_key") (list) (has "C" $m)) (list (get $id "claims-mapper") (get $id "credential-authority")) (ternary (list (get $id "key-store")) (list) (has "D" $m)))
-}}
{{ include "twi.config.common" (dict "root" . "service" "verifier" "allow" $allow) }}
issuer: {{ get $id "verifier" }}
appraisal:
  policy_file: /etc/twi/config/evidence_policy.yaml
  reference_value_files: [/etc/twi/config/reference_values.yaml]
{{- with .Values.verifier.attestationKeys }}
  endorsed_attestation_keys:
{{- range $name, $pem := . }}
  - {name: {{ $name | quote }}, public_key_file: {{ printf "/etc/twi/config/%s.ak.pem" $name | quote }}}
{{- end }}
{{- end }}
relying_parties:
- rp_id: {{ .Values.rpIds.credentialAuthority | quote }}
{{- if has "C" $m }}
  spiffe_id: {{ get $id "credential-authority" }}
{{- end }}
{{- if has "D" $m }}
- rp_id: {{ .Values.rpIds.keyStore | quote }}
{{- end }}
{{- range .Values.verifier.rest.relyingParties }}
- rp_id: {{ .rpId | quote }}
  spiffe_id: {{ .spiffeId | quote }}
{{- end }}
{{- with .Values.verifier.rest.relyingParties }}
{{- $ids := list }}
{{- range . }}{{ $ids = append $ids .spiffeId }}{{ end }}
rest:
  http:
    listen: {{ printf "%s:8451" $.Values.listenAddress | quote }}
    tls:
      certificate_file: /etc/twi/tls/tls.crt
      key_file: /etc/twi/tls/tls.key
      trust_bundle_file: /etc/twi/tls/ca.crt
    drain_timeout: {{ $.Values.drain.drainSeconds }}s
    allow:
    {{- range list "NewSession" "SubmitEvidence" "DeleteSession" "Discovery" }}
    - {rpc: {{ . }}, peers: {{ $ids | uniq | toJson }}}
    {{- end }}
{{- end }}
{{- if has "A" $m }}
claims_mapper:
{{- include "twi.peer" (dict "root" . "service" "claims-mapper") | nindent 2 }}
credential_authority:
{{- include "twi.peer" (dict "root" . "service" "credential-authority") | nindent 2 }}
{{- end }}
{{- end }}

{{- define "twi.config.claims-mapper" -}}
{{- $m := .Values.mechanisms -}}
{{- $verifier := include "twi.spiffeId" (dict "root" . "service" "verifier") -}}
{{- $authority := include "twi.spiffeId" (dict "root" . "service" "credential-authority") -}}
{{- $owners := include "twi.ownerIds" . | fromJsonArray -}}
{{- $mapped := include "twi.mappedIds" . | fromJsonArray -}}
{{- $allow := dict
  "MapClaims" (concat (ternary (list $verifier) (list) (has "A" $m)) (ternary (list $authority) (list) (or (has "B" $m) (has "C" $m))) $mapped)
  "PlanClaims" (ternary $owners (list) (has "D" $m))
  "PutPolicy" $owners "ListPolicies" $owners
  "GetPolicyVersions" (list $authority) "GetGrantKeys" (concat (list $authority) $mapped)
-}}
{{ include "twi.config.common" (dict "root" . "service" "claims-mapper" "allow" $allow) }}
issuer: {{ include "twi.spiffeId" (dict "root" . "service" "claims-mapper") }}
trust_domain: {{ .Values.trustDomain | quote }}
verifier_keys:
  peer:
{{- include "twi.peer" (dict "root" . "service" "verifier") | nindent 4 }}
relying_parties:
- {{ .Values.rpIds.credentialAuthority | quote }}
{{- range .Values.verifier.rest.relyingParties }}
{{- if dig "mapsClaims" false . }}
- {{ .rpId | quote }}
{{- end }}
{{- end }}
{{- if has "A" $m }}
verifiers: [{{ $verifier }}]
{{- end }}
{{- /* Who may bring Attestation Results. D alone: one of the two must be named; MapClaims is allowed to nobody. */}}
{{- with concat (ternary (list $authority) list (or (has "B" $m) (has "C" $m) (not (has "A" $m)))) $mapped }}
credential_authorities: {{ . | uniq | toJson }}
{{- end }}
owners:
{{- range .Values.claimsMapper.owners }}
- spiffe_id: spiffe://{{ $.Values.trustDomain }}/owner/{{ .name }}
  public_key_file: /etc/twi/config/{{ .name }}.owner.pem
  identifier_prefixes: {{ .identifierPrefixes | toJson }}
  dns_suffixes: {{ .dnsSuffixes | default list | toJson }}
{{- end }}
policy_files:
{{- range $file := keys .Values.claimsMapper.policies | sortAlpha }}
- /etc/twi/config/{{ $file }}
{{- else }} []
{{- end }}
{{- end }}

{{- define "twi.config.credential-authority" -}}
{{- $m := .Values.mechanisms -}}
{{- $owners := include "twi.ownerIds" . | fromJsonArray -}}
{{- $allow := dict
  "IssueForVerifier" (ternary (list (include "twi.spiffeId" (dict "root" . "service" "verifier"))) (list) (has "A" $m))
  "IssueFromResults" (ternary (list "attested_key") (list) (has "B" $m))
  "NewChallenge" (ternary (list "attested_key") (list) (has "C" $m))
  "IssueFromEvidence" (ternary (list "attested_key") (list) (has "C" $m))
  "IssueForOwner" (ternary $owners (list) (has "D" $m))
  "GetIssuance" $owners
  "GetTrustBundle" (concat $owners (ternary (list "attested_key") (list) (or (has "B" $m) (has "C" $m))))
-}}
{{ include "twi.config.common" (dict "root" . "service" "credential-authority" "allow" $allow) }}
rp_id: {{ .Values.rpIds.credentialAuthority | quote }}
trust_domain: {{ .Values.trustDomain | quote }}
issuer: {{ .Values.tokenIssuer | default .Values.rpIds.credentialAuthority | quote }}
targets: {{ .Values.targets | toJson }}
mechanisms: {{ $m | toJson }}
issuing:
  max_lifetime: {{ .Values.credentialAuthority.maxLifetime }}
{{- if .Values.credentialAuthority.issuingKeySecret }}
  supplied_key_file: /etc/twi/issuing/tls.key
  supplied_certificate_file: /etc/twi/issuing/tls.crt
{{- end }}
grant_keys:
  peer:
{{- include "twi.peer" (dict "root" . "service" "claims-mapper") | nindent 4 }}
claims_mapper:
{{- include "twi.peer" (dict "root" . "service" "claims-mapper") | nindent 2 }}
{{- if or (has "A" $m) (has "B" $m) (has "C" $m) }}
verifier_issuer: {{ include "twi.spiffeId" (dict "root" . "service" "verifier") }}
verifier_keys:
  peer:
{{- include "twi.peer" (dict "root" . "service" "verifier") | nindent 4 }}
{{- end }}
{{- if has "C" $m }}
verifier:
{{- include "twi.peer" (dict "root" . "service" "verifier") | nindent 2 }}
{{- end }}
{{- if has "D" $m }}
key_store_issuer: {{ include "twi.spiffeId" (dict "root" . "service" "key-store") }}
key_store_keys:
  peer:
{{- include "twi.peer" (dict "root" . "service" "key-store") | nindent 4 }}
{{- end }}
{{- end }}

{{- define "twi.config.key-store" -}}
{{- $owners := include "twi.ownerIds" . | fromJsonArray -}}
{{- $allow := dict
  "ReleaseKey" (list "attested_key")
  "GetKeyStoreKeys" (concat (list "attested_key" (include "twi.spiffeId" (dict "root" . "service" "credential-authority"))) $owners)
  "ProvisionKey" $owners "ListKeys" $owners
-}}
{{ include "twi.config.common" (dict "root" . "service" "key-store" "allow" $allow) }}
rp_id: {{ .Values.rpIds.keyStore | quote }}
issuer: {{ include "twi.spiffeId" (dict "root" . "service" "key-store") }}
verifier_issuer: {{ include "twi.spiffeId" (dict "root" . "service" "verifier") }}
verifier_keys:
  peer:
{{- include "twi.peer" (dict "root" . "service" "verifier") | nindent 4 }}
owners: {{ $owners | toJson }}
{{- end }}

{{/* The files of a service's ConfigMap, as a map of name to text. */}}
{{- define "twi.files" -}}
{{- $values := get .root.Values (include "twi.valuesKey" .service) -}}
{{- $config := include (printf "twi.config.%s" .service) .root | fromYaml -}}
{{- if hasKey $config "Error" }}{{ fail (printf "config of %s: %s" .service $config.Error) }}{{ end -}}
{{- $merged := mergeOverwrite (deepCopy $config) $values.config -}}
{{- range list "server.listen: listenAddress" "server.drain_timeout: drain" "server.tls: certificates" "server.metrics: metrics" "storage: storage and rootKeys" "rest.http.listen: listenAddress" "rest.http.drain_timeout: drain" "rest.http.tls: certificates" }}
{{- $path := splitList ": " . | first | splitList "." }}
{{- $before := $config }}{{ $after := $merged }}
{{- range $path }}{{ $before = get ($before | default dict) . }}{{ $after = get ($after | default dict) . }}{{ end }}
{{- if ne ($before | toJson) ($after | toJson) }}{{ fail (printf "%s.config: %s is what the pod, its Service, its policies and its grace period are made for: set %s instead" (include "twi.valuesKey" $.service) (splitList ": " . | first) (splitList ": " . | last)) }}{{ end }}
{{- end -}}
{{- $files := dict (printf "%s.yaml" (include "twi.configName" .service)) ($merged | toYaml) -}}
{{- if eq .service "verifier" }}
{{- $_ := set $files "evidence_policy.yaml" ($values.evidencePolicy | toYaml) }}
{{- $_ := set $files "reference_values.yaml" ($values.referenceValues | toYaml) }}
{{- range $name, $pem := $values.attestationKeys }}{{ $_ := set $files (printf "%s.ak.pem" $name) $pem }}{{ end }}
{{- else if eq .service "claims-mapper" }}
{{- range $values.owners }}{{ $_ := set $files (printf "%s.owner.pem" .name) .publicKey }}{{ end }}
{{- range $name, $jws := $values.policies }}{{ $_ := set $files $name $jws }}{{ end }}
{{- end -}}
{{ $files | toYaml }}
{{- end }}
