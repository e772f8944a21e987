{{- /* What marks everything of a release. */ -}}
{{- define "smartcourse.labels" -}}
app.kubernetes.io/name: smartcourse
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- /* What selects the pods of a role: (list $ "course"). */ -}}
{{- define "smartcourse.selector" -}}
app.kubernetes.io/name: smartcourse
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- /* What is missing is told at once, before anything is changed. */ -}}
{{- define "smartcourse.check" -}}
{{- range .Values.grpc.certificates | empty | ternary (list "DATABASE_URL" "SMARTCOURSE_GRPC__SERVICE_TOKEN") (list "DATABASE_URL") }}
{{- if not (hasKey $.Values.secrets .) }}{{ fail (printf "secrets.%s: name the Secret and the key that have it" .) }}{{ end }}
{{- end }}
{{- if not .Values.settings.TEMPORAL_ADDRESS }}{{ fail "settings.TEMPORAL_ADDRESS: name host:port of Temporal" }}{{ end }}
{{- if not .Values.files.existingClaim }}
{{- if not .Values.settings.S3_BUCKET }}{{ fail "name settings.S3_BUCKET, or files.existingClaim: files would be gone with their pod" }}{{ end }}
{{- if not (or .Values.settings.SMARTCOURSE_MAIL__SMTP_URL .Values.secrets.SMARTCOURSE_MAIL__SMTP_URL) }}{{ fail "name SMARTCOURSE_MAIL__SMTP_URL in settings or secrets, or files.existingClaim: mails would be gone with their pod" }}{{ end }}
{{- end }}
{{- end }}

{{- /* Where a service is found: as often as a caller is to have connections to it. (list $ "course" 7102) */ -}}
{{- define "smartcourse.addresses" -}}
{{- $root := index . 0 -}}
{{- $address := printf "%s-%s:%v" $root.Release.Name (index . 1) (index . 2) -}}
{{- $all := list -}}
{{- range until (int $root.Values.grpc.connections) }}{{ $all = append $all $address }}{{ end -}}
{{- join "," $all -}}
{{- end }}

{{- /* The specification of a pod: root, name, role, resources, restartPolicy. */ -}}
{{- define "smartcourse.pod" -}}
{{- $root := .root -}}
{{- $values := .root.Values -}}
{{- $name := .name -}}
{{- $roles := .root.Files.Get "roles.yaml" | fromYaml -}}
restartPolicy: {{ .restartPolicy }}
# Nobody here asks Kubernetes anything, and names of services are not to become variables.
automountServiceAccountToken: false
enableServiceLinks: false
# A role ends within 10 s, after the pause below.
terminationGracePeriodSeconds: 30
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: { type: RuntimeDefault }
{{- with $values.image.pullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
containers:
  - name: smartcourse
    image: {{ printf "%s:%s" (ternary $values.image.models $values.image.repository (default false .role.models)) ($values.image.tag | default $root.Chart.AppVersion) | quote }}
    imagePullPolicy: {{ $values.image.pullPolicy }}
    args: {{ .role.command | default (list "serve" "--only" $name) | toJson }}
    env:
      {{- range $other, $service := $roles }}
      {{- if eq $other $name }}
      {{- if $service.port }}
      - { name: {{ $service.variable }}, value: {{ printf "0.0.0.0:%v" $service.port | quote }} }
      {{- end }}
      {{- else if and $service.port (ne $other "gateway") }}
      - { name: {{ $service.variable }}, value: {{ include "smartcourse.addresses" (list $root $other $service.port) | quote }} }
      {{- end }}
      {{- end }}
      - { name: SMARTCOURSE_TELEMETRY__METRICS_LISTEN, value: "0.0.0.0:9464" }
      {{- if and .serves $values.grpc.certificates }}
      - { name: SMARTCOURSE_GRPC__TLS_CERTIFICATE, value: /run/certificates/tls.crt }
      - { name: SMARTCOURSE_GRPC__TLS_KEY, value: /run/certificates/tls.key }
      - { name: SMARTCOURSE_GRPC__TLS_AUTHORITY, value: /run/certificates/ca.crt }
      {{- end }}
      {{- if $values.files.existingClaim }}
      - { name: SMARTCOURSE_CONTENT__FILES_DIR, value: /var/lib/smartcourse/files }
      - { name: SMARTCOURSE_MAIL__FOLDER, value: /var/lib/smartcourse/mail }
      {{- end }}
      {{- range $variable, $value := $values.settings }}
      - { name: {{ $variable }}, value: {{ $value | toString | quote }} }
      {{- end }}
      {{- range $variable, $_ := $values.secrets }}
      - { name: {{ $variable }}_FILE, value: {{ printf "/run/secrets/%s" (lower $variable) | quote }} }
      {{- end }}
    {{- if .serves }}
    ports:
      - { name: metrics, containerPort: 9464 }
      {{- if .role.port }}
      - { name: {{ eq $name "gateway" | ternary "http" "grpc" }}, containerPort: {{ .role.port }} }
      {{- end }}
    livenessProbe:
      httpGet: { path: /livez, port: metrics }
      periodSeconds: 10
      timeoutSeconds: 3
      failureThreshold: 6
    readinessProbe:
      httpGet: { path: /readyz, port: metrics }
      periodSeconds: 5
      timeoutSeconds: 3
      failureThreshold: 3
    lifecycle:
      # Until those who call it have heard that it is going.
      preStop: { sleep: { seconds: 5 } }
    {{- end }}
    resources: {{ toJson .resources }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: { drop: [ALL] }
    volumeMounts:
      - { name: tmp, mountPath: /tmp }
      - { name: secrets, mountPath: /run/secrets, readOnly: true }
      {{- if and .serves $values.grpc.certificates }}
      - { name: certificates, mountPath: /run/certificates, readOnly: true }
      {{- end }}
      {{- if $values.files.existingClaim }}
      - { name: data, mountPath: /var/lib/smartcourse }
      {{- end }}
      {{- range $values.volumeMounts }}
      - {{ toJson . }}
      {{- end }}
volumes:
  - { name: tmp, emptyDir: { medium: Memory, sizeLimit: 64Mi } }
  - name: secrets
    projected:
      # 0440
      defaultMode: 288
      sources:
        {{- range $variable, $secret := $values.secrets }}
        - secret: { name: {{ $secret.name | quote }}, items: [{ key: {{ $secret.key | quote }}, path: {{ lower $variable }} }] }
        {{- end }}
  {{- if and .serves $values.grpc.certificates }}
  - { name: certificates, secret: { secretName: {{ printf "%s-%s" $values.grpc.certificates $name | quote }}, defaultMode: 288 } }
  {{- end }}
  {{- with $values.files.existingClaim }}
  - { name: data, persistentVolumeClaim: { claimName: {{ . | quote }} } }
  {{- end }}
  {{- range $values.volumes }}
  - {{ toJson . }}
  {{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- end }}
