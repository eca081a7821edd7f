{{/* Parts of network policies. */}}

{{/* The beginning of a component's policy: (list $ "component"). */}}
{{- define "hairpin.policy" -}}
{{- $ := index . 0 -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "hairpin.fullname" $ }}-{{ index . 1 }}
  labels: {{- include "hairpin.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "hairpin.podLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
{{- end -}}

{{/* Pods of a component: (list $ "component"). */}}
{{- define "hairpin.peer" -}}
- podSelector:
    matchLabels: {{- include "hairpin.podLabels" . | nindent 6 }}
{{- end -}}

{{/* All pods of the Ray cluster, at any port: Ray chooses most of them as it goes. */}}
{{- define "hairpin.rayPeer" -}}
- podSelector:
    matchLabels:
      {{- include "hairpin.selector" . | nindent 6 }}
      ray.io/cluster: {{ include "hairpin.fullname" . }}
{{- end -}}

{{/* Who reads metrics. */}}
{{- define "hairpin.metricsPeers" -}}
{{- if .Values.prometheus.enabled -}}
{{- include "hairpin.peer" (list . "prometheus") }}
{{- end }}
{{- with .Values.networkPolicy.metricsReaders }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "hairpin.hasMetricsPeers" -}}
{{- if or .Values.prometheus.enabled .Values.networkPolicy.metricsReaders }}yes{{ end }}
{{- end -}}

{{- define "hairpin.dnsEgress" -}}
- to: {{- toYaml .Values.networkPolicy.dns.peers | nindent 4 }}
  ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
{{- end -}}

{{- define "hairpin.storeEgress" -}}
{{- if .Values.minio.enabled -}}
- to: {{- include "hairpin.peer" (list . "minio") | nindent 4 }}
  ports: [{port: 9000}]
{{- else -}}
- ports: [{port: {{ include "hairpin.port" (dict "url" .Values.s3.endpoint "default" (hasPrefix "http:" .Values.s3.endpoint | ternary 80 443)) }}}]
  {{- with .Values.networkPolicy.store.cidrs }}
  to: {{- include "hairpin.blocks" . | nindent 4 }}
  {{- end }}
{{- end -}}
{{- end -}}

{{- define "hairpin.videoEgress" -}}
{{- if .Values.mediamtx.enabled -}}
- to: {{- include "hairpin.peer" (list . "mediamtx") | nindent 4 }}
  ports: [{port: 8554}]
{{- else if .Values.video.enabled -}}
- ports: [{port: {{ include "hairpin.port" (dict "url" .Values.video.url "default" 554) }}}]
  {{- with .Values.networkPolicy.video.cidrs }}
  to: {{- include "hairpin.blocks" . | nindent 4 }}
  {{- end }}
{{- end -}}
{{- end -}}

{{- define "hairpin.blocks" -}}
{{- range . }}
- ipBlock: {cidr: {{ . }}}
{{- end }}
{{- end -}}

{{/* The API server has no pods to select. Its addresses are those behind its Service: policies act after them. */}}
{{- define "hairpin.apiServerEgress" -}}
{{- $cidrs := .Values.networkPolicy.apiServer.cidrs -}}
{{- if not $cidrs -}}
{{- $slice := lookup "discovery.k8s.io/v1" "EndpointSlice" "default" "kubernetes" -}}
{{- range ($slice | default dict).endpoints }}{{ range .addresses }}
{{- $cidrs = append $cidrs (contains ":" . | ternary (printf "%s/128" .) (printf "%s/32" .)) -}}
{{- end }}{{ end -}}
{{- end -}}
- ports:
    {{- range .Values.networkPolicy.apiServer.ports }}
    - port: {{ . }}
    {{- end }}
  to:
    {{- if $cidrs }}
    {{- include "hairpin.blocks" $cidrs | nindent 4 }}
    {{- else }}
    # Rendered without a cluster to ask. Not where clouds keep their machines' credentials.
    - ipBlock: {cidr: 0.0.0.0/0, except: [169.254.0.0/16]}
    {{- end }}
{{- end -}}
