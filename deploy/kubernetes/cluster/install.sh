# deploy/helm/README.md, "The services", word by word; the values are those of deploy/kubernetes/values.yaml, with a software TPM in a pod as what is attested. To be sourced by cluster_test.sh.
commands=$(documented deploy/helm/README.md 'helm install twi deploy/helm/twi' | grep -v '^deploy/images/build.sh')
namespaces=$(grep -E '^kubectl (create|label) namespace' <<< "$commands")
quietly "the README's namespace" eval "$namespaces"
root_keys
tls_secrets
kubectl create namespace payroll > /dev/null && kubectl create namespace twi-owners > /dev/null && kubectl create namespace strangers > /dev/null
kubectl label namespace payroll twi-owners strangers pod-security.kubernetes.io/enforce=restricted > /dev/null

# The machine's owner: a TPM, its attestation key, the measurement of what is started (as deploy/compose).
tpm="image: \"docker.io/twi/demo-tpm:$TWI_VERSION\", imagePullPolicy: Never, securityContext: $restricted, env: [{name: TPM2TOOLS_TCTI, value: \"swtpm:host=127.0.0.1,port=2321\"}], volumeMounts: [{name: work, mountPath: /made}]"
kubectl apply -f - > /dev/null <<YAML
apiVersion: v1
kind: Service
metadata: {namespace: payroll, name: tpm}
spec: {selector: {app: tpm}, ports: [{name: tpm, port: 2321}, {name: control, port: 2322}]}
---
apiVersion: v1
kind: Pod
metadata: {namespace: payroll, name: tpm, labels: {app: tpm}}
spec:
  {$restricted_pod, terminationGracePeriodSeconds: 0, volumes: [{name: work, emptyDir: {}}],
  initContainers: [
  {name: tpm, restartPolicy: Always, $tpm, startupProbe: {exec: {command: [/usr/bin/tpm2, getcap, -Q, properties-fixed]}, periodSeconds: 1},
   args: [socket, --tpm2, --tpmstate, dir=/made, --ctrl, "type=tcp,port=2322,bindaddr=0.0.0.0", --server, "type=tcp,port=2321,bindaddr=0.0.0.0", --flags, "not-need-init,startup-clear"]},
  {name: key, $tpm, command: [/usr/bin/tpm2, createprimary, -Q, -C, e, -G, "ecc256:ecdsa-sha256:null", -c, /made/ak.ctx, -a, "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign|noda"]},
  {name: persist, $tpm, command: [/usr/bin/tpm2, evictcontrol, -Q, -C, o, -c, /made/ak.ctx, "0x81010002"]},
  {name: enroll, $tpm, command: [/usr/bin/tpm2, readpublic, -Q, -c, "0x81010002", -f, pem, -o, /made/ak.pem]},
  {name: measure, $tpm, command: [/usr/bin/tpm2, pcrextend, "4:sha256=d57be08f14698ae251631960cda7ed8551f4f1941a2a008b305457730d195074"]}],
  containers: [{name: files, image: "registry.example.org/busybox:1.36", command: [sleep, "3600"], securityContext: $restricted, volumeMounts: [{name: work, mountPath: /made}]}]}
YAML
kubectl -n payroll wait --for=condition=Ready pod/tpm --timeout=60s > "$work/said" 2>&1 || fail "the software TPM does not start"
kubectl -n payroll exec tpm -c files -- cat /made/ak.pem > "$work/made/ak.pem"

indent() { sed "s/^/$1/" "$2"; }
{
  sed -e 's|^image: .*|image: {registry: docker.io, pullPolicy: Never}|' -e '/^verifier:/,$d' deploy/kubernetes/values.yaml
  cat <<YAML
storage: {storageClassName: local}
verifier:
  evidencePolicy: {id: cluster, tpm2: {bank: sha256, pcrs: [0, 1, 2, 3, 4, 5, 7]}}
  attestationKeys:
    software-tpm: |
$(indent '      ' "$work/made/ak.pem")
  referenceValues:
    reference_values:
    - name: payroll-worker
      version: 1.2.0-tpm
      vendor: spiffe://example.org/owner/payroll
      valid_until: "2099-01-01T00:00:00Z"
      tpm2_pcrs:
        bank: sha256
        pcrs:
$(for pcr in 0 1 2 3 4 5 7; do echo "        - {index: $pcr, value: \"$([ "$pcr" = 4 ] && echo 050aad1cec31d06b390ecfbcb65ce6286227c14c0e4a6e1b1097f6e837c68c9d || printf '0%.0s' {1..64})\"}"; done)
claimsMapper:
  owners:
  - name: payroll
    identifierPrefixes: ["spiffe://example.org/payroll/"]
    publicKey: |
$(indent '      ' "$work/made/pki/owners/payroll.pub.pem")
  policies:
    payroll-worker.jws: "$(cat "$work/made/payroll-worker.jws")"
    payroll-worker-provisioned.jws: "$(cat "$work/made/payroll-worker-provisioned.jws")"
credentialAuthority: {maxLifetime: 2m}
YAML
  sed -n '/^networkPolicy:/,$p' deploy/kubernetes/values.yaml
} > "$work/values.yaml"
mark=$SECONDS
install=$(grep '^helm install' <<< "$commands")
quietly "the README's helm install" eval "${install/-f values.yaml/-f $work/values.yaml}"
cp "$work/said" "$work/notes"
all_ready
seen "helm install: four StatefulSets are ready in a namespace that enforces restricted"
for service in "${services[@]}"; do
  [ "$(field twi "pod/twi-$service-0" '{.status.containerStatuses[0].restartCount}')" = 0 ] || fail "twi-$service was restarted"
  [ "$(field twi "pod/twi-$service-0" '{.status.containerStatuses[0].started}')" = true ] || fail "twi-$service: not started"
done
seen "none was restarted: started, ready and live at the first start"
store=$(find "$work/store-verifier" -maxdepth 0 -printf '%g %m'); database=$(find "$work/store-verifier" -name verifier.db -printf '%u %g %m')
[ "$store" = "65532 2775" ] && [ "$database" = "65532 65532 600" ] || fail "the store's folder is $store, the database $database"
seen "a volume that was root's: the kubelet gave its folder to the group (2775), the database is the daemon's alone (0600)"
[ -z "$(kubectl -n twi get secrets -l app.kubernetes.io/managed-by=Helm -o name)" ] || fail "the chart made a Secret"
