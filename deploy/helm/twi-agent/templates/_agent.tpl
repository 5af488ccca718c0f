{{/*
The three lines of a team's pod template (deploy/helm/README.md shows them in place):
  labels:        {{- include "twi.agentLabels" . | nindent 8 }}
  spec:          {{- include "twi.agentSidecar" . | nindent 6 }}        initContainers and volumes; a pod with its own of these takes the parts below
  volumeMounts:  {{- include "twi.agentMount" . | nindent 8 }}
`.` is the team's own scope: the values stand under `twi-agent`.
*/}}
{{- define "twi.agentLabels" -}}
twi/agent: "true"
# A change of the agent's config rolls the pods.
twi/agent-config: {{ include "twi.agentConfig" . | sha256sum | trunc 16 | quote }}
# The release's NetworkPolicy is for its own agents, whatever else runs in the namespace.
twi/agent-release: {{ .Release.Name | quote }}
{{- end }}

{{- define "twi.agentSidecar" -}}
initContainers:
{{ include "twi.agentContainer" . }}
volumes:
{{ include "twi.agentVolumes" . }}
{{- end }}

{{- define "twi.agentMount" -}}
- {name: twi-credential, mountPath: {{ (include "twi.agentValues" . | fromYaml).mountPath }}, readOnly: true}
{{- end }}

{{/* The values, of the team's scope or of this chart's own. */}}
{{- define "twi.agentValues" -}}
{{- if hasKey .Values "twi-agent" }}{{ index .Values "twi-agent" | toYaml }}{{ else }}{{ .Values | toYaml }}{{ end }}
{{- end }}

{{/* What the schema cannot say. */}}
{{- define "twi.agentValidate" -}}
{{- $v := include "twi.agentValues" . | fromYaml }}
{{- if not $v.image.registry }}{{ fail "twi-agent: image.registry is required, also with a digest: where the images were pushed (registry.example.org); without it docker.io/twi would be asked, which is not ours" }}{{ end }}
{{- if and (has $v.image.registry (list "docker.io" "index.docker.io")) (ne $v.image.pullPolicy "Never") }}{{ fail "twi-agent: image.registry docker.io is for images that were imported onto the nodes: with pullPolicy Never, because docker.io/twi is not ours" }}{{ end }}
{{- if and (not $v.runAsUser) (not $v.securityContext) }}{{ fail "twi-agent: runAsUser 0 needs a securityContext of yours (the example sev-snp-node): the default one is for anybody but root" }}{{ end }}
{{- range $v.extraVolumeMounts }}
{{- if or (hasPrefix (printf "%s/" $v.mountPath) (printf "%s/" .mountPath)) (hasPrefix "/etc/twi/" (printf "%s/" .mountPath)) }}{{ fail (printf "twi-agent: extraVolumeMounts: %s is the agent's own" .mountPath) }}{{ end }}
{{- end }}
{{- if hasPrefix (printf "spiffe://%s/twi/" $v.trustDomain) $v.workloadIdentifier }}{{ fail "twi-agent: workloadIdentifier is one of TWI's own services" }}{{ end }}
{{- $at := dig "at_fraction" 0.5 $v.renewal }}{{ $jitter := dig "jitter" 0.1 $v.renewal }}
{{- if or (le $at $jitter) (ge (addf $at $jitter) 1.0) }}{{ fail "twi-agent: renewal.jitter: at_fraction +- jitter (defaults 0.5, 0.1) must lie within the lifetime" }}{{ end }}
{{- if $v.metrics.enabled }}
{{- if not $v.metrics.secretName }}{{ fail "twi-agent: metrics.secretName is required with metrics.enabled: the certificate of the HTTPS listener" }}{{ end }}
{{- if not $v.metrics.peers }}{{ fail "twi-agent: metrics.peers is required with metrics.enabled: the SPIFFE IDs that may scrape" }}{{ end }}
{{- end }}
{{- end }}

{{- define "twi.agentConfig" -}}
{{- include "twi.agentValidate" . -}}
{{- $v := include "twi.agentValues" . | fromYaml -}}
{{- $id := printf "spiffe://%s/twi" $v.trustDomain -}}
{{- if and (eq $v.mechanism "D") (or (not $v.provisioned.keyId) (not $v.provisioned.configMap)) }}{{ fail "twi-agent: provisioned.keyId and provisioned.configMap are required for mechanism D" }}{{ end -}}
{{- if not (hasPrefix (printf "spiffe://%s/" $v.trustDomain) $v.workloadIdentifier) }}{{ fail (printf "twi-agent: workloadIdentifier is outside the trust domain %s" $v.trustDomain) }}{{ end -}}
log: {level: {{ $v.logLevel }}}
mechanism: {{ $v.mechanism }}
attester: {{ $v.attester | toYaml | nindent 2 }}
attested_key: {}
trust_bundle_file: /etc/twi/trust/{{ $v.trustBundle.servicesKey }}
credential_trust_bundle_file: /etc/twi/trust/{{ $v.trustBundle.credentialsKey }}
verifier: {address: {{ $v.services.verifier | quote }}, spiffe_id: {{ $id }}/verifier}
{{- if has $v.mechanism (list "B" "C") }}
credential_authority: {address: {{ $v.services.credentialAuthority | quote }}, spiffe_id: {{ $id }}/credential-authority}
{{- end }}
{{- if eq $v.mechanism "D" }}
key_store: {address: {{ $v.services.keyStore | quote }}, spiffe_id: {{ $id }}/key-store}
provisioned:
  key_id: {{ $v.provisioned.keyId | quote }}
  credential_file: /etc/twi/provisioned/chain.pem
  wit_file: /etc/twi/provisioned/wit.jwt
  wit_bundle_file: /etc/twi/provisioned/wit-bundle.json
{{- end }}
rp_id: {{ $v.rpId | quote }}
target: {{ $v.target | quote }}
workload_identifier: {{ $v.workloadIdentifier | quote }}
output: {directory: {{ $v.mountPath }}/credential}
listen: unix:{{ $v.mountPath }}/agent.sock
{{- if $v.metrics.enabled }}
metrics:
  listen: {{ printf "%s:9464" $v.metrics.listenAddress | quote }}
  tls: {certificate_file: /etc/twi/metrics/tls.crt, key_file: /etc/twi/metrics/tls.key, trust_bundle_file: /etc/twi/metrics/ca.crt}
  peers: {{ $v.metrics.peers | uniq | toJson }}
{{- end }}
{{- with $v.renewal }}
renewal: {{ . | toYaml | nindent 2 }}
{{- end }}
{{- end }}

{{/*
A name for each config, and nobody changes it under a running agent: its probes read the config too. Were it one ConfigMap, a config that the agent refuses would reach the old pods while their
successors fail, and the kubelet would end their agents.
*/}}
{{- define "twi.agentConfigMap" -}}
{{ .Release.Name }}-twi-agent-{{ include "twi.agentConfig" . | sha256sum | trunc 10 }}
{{- end }}

{{- define "twi.agentContainer" -}}
{{- $v := include "twi.agentValues" . | fromYaml -}}
{{- $name := printf "%s/twi/workload-agent" $v.image.registry -}}
- name: twi-agent
  image: {{ if $v.image.digest }}{{ $name }}@{{ $v.image.digest }}{{ else }}{{ $name }}:{{ $v.image.tag | default "0.1.0" }}{{ end }}
  imagePullPolicy: {{ $v.image.pullPolicy }}
  # A native sidecar: starts before the workload, which waits for startupProbe (a credential is there), runs beside it, and ends after it.
  restartPolicy: Always
  args: ["--config", "/etc/twi/agent/workload_agent.yaml"]
  {{- if $v.metrics.enabled }}
  ports: [{name: twi-metrics, containerPort: 9464}]
  {{- end }}
  startupProbe:
    exec: {command: ["/usr/bin/workload-agent", "--config", "/etc/twi/agent/workload_agent.yaml", "--probe", "started"]}
    # An hour: the agent tries again by itself, at most 5 minutes apart (renewal.retry_max), and a restart would only begin anew.
    periodSeconds: 2
    timeoutSeconds: 5
    failureThreshold: 1800
  livenessProbe:
    exec: {command: ["/usr/bin/workload-agent", "--config", "/etc/twi/agent/workload_agent.yaml", "--probe", "live"]}
    periodSeconds: 20
    timeoutSeconds: 5
    failureThreshold: 3
  securityContext:
    {{- if $v.securityContext }}
    {{- $v.securityContext | toYaml | nindent 4 }}
    {{- else }}
    runAsNonRoot: true
    runAsUser: {{ $v.runAsUser | int }}
    runAsGroup: {{ $v.runAsUser | int }}
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities: {drop: [ALL]}
    seccompProfile: {type: RuntimeDefault}
    {{- end }}
  resources:
    {{- $resources := deepCopy $v.resources }}
    {{- if $v.devices }}{{ $_ := set $resources "limits" (merge (deepCopy $v.devices) ($resources.limits | default dict)) }}{{ end }}
    {{- $resources | toYaml | nindent 4 }}
  volumeMounts:
  - {name: twi-credential, mountPath: {{ $v.mountPath }}}
  - {name: twi-agent, mountPath: /etc/twi/agent, readOnly: true}
  - {name: twi-trust, mountPath: /etc/twi/trust, readOnly: true}
  {{- if eq $v.mechanism "D" }}
  - {name: twi-provisioned, mountPath: /etc/twi/provisioned, readOnly: true}
  {{- end }}
  {{- if $v.metrics.enabled }}
  - {name: twi-metrics, mountPath: /etc/twi/metrics, readOnly: true}
  {{- end }}
  {{- with $v.extraVolumeMounts }}
  {{- . | toYaml | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "twi.agentVolumes" -}}
{{- $v := include "twi.agentValues" . | fromYaml -}}
# In memory, and gone with the pod: a private key is never in a Secret, and never on a disk.
- name: twi-credential
  emptyDir: {medium: Memory, sizeLimit: 4Mi}
- name: twi-agent
  configMap: {name: {{ include "twi.agentConfigMap" . }}, defaultMode: 0444}
- name: twi-trust
  configMap: {name: {{ $v.trustBundle.configMap }}, defaultMode: 0444}
{{- if eq $v.mechanism "D" }}
- name: twi-provisioned
  configMap: {name: {{ $v.provisioned.configMap }}, defaultMode: 0444}
{{- end }}
{{- if $v.metrics.enabled }}
# Root's files, which the group of the pod alone may read: the pod's fsGroup must be the agent's group.
- name: twi-metrics
  secret: {secretName: {{ $v.metrics.secretName }}, defaultMode: 0440}
{{- end }}
{{- with $v.extraVolumes }}
{{ . | toYaml }}
{{- end }}
{{- end }}
