{{- /* Parts of the worker policy, in the Common Expression Language (CEL). */ -}}

{{- define "whisperjob.celList" -}}
[{{ range $index, $item := . }}{{ if $index }}, {{ end }}{{ $item | squote }}{{ end }}]
{{- end }}

{{- /* Whether the volume `v` is this one of the values: of the same name, of the same kind, and from the same place. */ -}}
{{- define "whisperjob.volumeRule" -}}
(v.name == {{ .name | squote }}
{{- range $kind, $source := omit . "name" }} && has(v.{{ $kind }})
{{- range $field := list "claimName" "secretName" "name" "path" "server" "driver" }}
{{- with get $source $field }} && v.{{ $kind }}.{{ $field }} == {{ . | squote }}{{ end }}
{{- end }}
{{- end }})
{{- end }}
