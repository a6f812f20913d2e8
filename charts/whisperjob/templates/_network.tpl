{{- /* Rules that several NetworkPolicies share. */ -}}

{{- define "whisperjob.toDns" }}
- to:
    - namespaceSelector: {}
      podSelector: {matchLabels: {k8s-app: kube-dns}}
    - ipBlock: {cidr: 169.254.20.10/32}  # NodeLocal DNSCache runs outside the pod network
  ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end }}

{{- define "whisperjob.toStore" }}
{{- if and .Values.minio.enabled (not .Values.store.endpoint) }}
- to:
    - podSelector:
        matchLabels:
          {{- include "whisperjob.selector" (dict "root" . "component" "minio") | nindent 10 }}
  ports:
    - {port: 9000, protocol: TCP}
{{- else }}
{{- range $endpoint := compact (list (include "whisperjob.storeEndpoint" $) $.Values.store.workerEndpoint) }}
{{- $url := urlParse $endpoint }}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary "443" "80" (eq $url.scheme "https")) }}
- ports:
    - {port: {{ $port }}, protocol: TCP}
  {{- with $.Values.networkPolicy.storeCidrs }}
  to:
    {{- range . }}
    - ipBlock: {cidr: {{ . }}}
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "whisperjob.toApiServer" }}
- ports:
    {{- range .Values.networkPolicy.apiServerPorts }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  {{- with .Values.networkPolicy.apiServerCidrs }}
  to:
    {{- range . }}
    - ipBlock: {cidr: {{ . }}}
    {{- end }}
  {{- end }}
{{- end }}

{{- define "whisperjob.fromMetrics" }}
- ports:
    - {port: 9090, protocol: TCP}
  from:
    - namespaceSelector:
        {{- with .Values.networkPolicy.metricsNamespace }}
        matchLabels:
          {{- toYaml . | nindent 10 }}
        {{- else }} {}
        {{- end }}
{{- end }}
