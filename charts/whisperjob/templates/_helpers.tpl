{{- define "whisperjob.fullname" -}}
{{- if contains "whisperjob" .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-whisperjob" .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "whisperjob.labels" -}}
app.kubernetes.io/name: whisperjob
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- /* (dict "root" $ "component" "api") */ -}}
{{- define "whisperjob.selector" -}}
app.kubernetes.io/name: whisperjob
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "whisperjob.image" -}}
{{- $registry := required "image.registry is required: registry and path of the images, such as registry.example.com/whisperjob" .root.Values.image.registry -}}
{{- $name := printf "%s/%s" (trimSuffix "/" $registry) .component -}}
{{- with get .root.Values.image.digests .component -}}
{{- printf "%s@%s" $name . -}}
{{- else -}}
{{- printf "%s:%s" $name (.root.Values.image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end }}

{{- define "whisperjob.diarizerImage" -}}
{{- .Values.diarizer.image | default (include "whisperjob.image" (dict "root" . "component" "diarizer")) -}}
{{- end }}

{{- define "whisperjob.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "whisperjob.storeSecret" -}}
{{- if .Values.store.existingSecret -}}
{{- .Values.store.existingSecret -}}
{{- else if .Values.minio.enabled -}}
{{- include "whisperjob.fullname" . }}-store
{{- else -}}
{{- fail "store.existingSecret is required with an external store: a Secret with the keys accessKey and secretKey" -}}
{{- end -}}
{{- end }}

{{- define "whisperjob.storeEndpoint" -}}
{{- if .Values.store.endpoint -}}
{{- .Values.store.endpoint -}}
{{- else if .Values.minio.enabled -}}
http://{{ include "whisperjob.fullname" . }}-minio.{{ .Release.Namespace }}.svc:9000
{{- else -}}
{{- fail "store.endpoint is required: http(s)://host:port of an S3 service (or minio.enabled=true for evaluation)" -}}
{{- end -}}
{{- end }}

{{- /* Values as settings: (dict "values" .Values.engine "prefix" "") gives WHISPERJOB_… environment entries. */ -}}
{{- define "whisperjob.env" -}}
{{- $prefix := .prefix -}}
{{- range $name, $value := .values }}
{{- $text := "" }}
{{- if or (kindIs "map" $value) (kindIs "slice" $value) }}
{{- if $value }}{{ $text = toJson $value }}{{ end }}
{{- else if kindIs "float64" $value }}
{{- $text = ternary (printf "%d" (int64 $value)) (toString $value) (eq (floor $value) $value) }}
{{- else }}
{{- $text = toString $value }}
{{- end }}
{{- if $text }}
- name: WHISPERJOB_{{ printf "%s%s" $prefix (snakecase $name) | upper }}
  value: {{ $text | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- /* (merge (dict "component" "api") $) */ -}}
{{- define "whisperjob.storeEnv" -}}
- name: WHISPERJOB_S3_ENDPOINT
  value: {{ include "whisperjob.storeEndpoint" . | quote }}
{{- with .Values.store.workerEndpoint }}
- name: WHISPERJOB_S3_WORKER_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- with .Values.store.publicEndpoint }}
- name: WHISPERJOB_S3_PUBLIC_ENDPOINT
  value: {{ . | quote }}
{{- end }}
- name: WHISPERJOB_S3_BUCKET
  value: {{ .Values.store.bucket | quote }}
- name: WHISPERJOB_S3_REGION
  value: {{ .Values.store.region | quote }}
{{- $own := get .Values.store.secrets .component }}
{{- if not $own }}{{ $own = include "whisperjob.storeSecret" . }}{{ end }}
{{- $grants := .Values.store.secrets.grants | default $own }}
- name: WHISPERJOB_S3_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ $own }}, key: accessKey}}
- name: WHISPERJOB_S3_SECRET_KEY
  valueFrom: {secretKeyRef: {name: {{ $own }}, key: secretKey}}
- name: WHISPERJOB_S3_GRANT_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ $grants }}, key: accessKey}}
- name: WHISPERJOB_S3_GRANT_SECRET_KEY
  valueFrom: {secretKeyRef: {name: {{ $grants }}, key: secretKey}}
{{- end }}

{{- define "whisperjob.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "whisperjob.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "whisperjob.placement" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
