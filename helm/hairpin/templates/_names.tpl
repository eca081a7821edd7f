{{/* Names and labels. Names are short enough for what KubeRay appends to them. */}}
{{- define "hairpin.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What only pods of one release have; Ray's pods too, whose app.kubernetes.io/name is KubeRay's. */}}
{{- define "hairpin.selector" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: hairpin
{{- end -}}

{{/* Labels of an object. Call with (list $ "component"). */}}
{{- define "hairpin.labels" -}}
{{- $ := index . 0 -}}
{{- include "hairpin.selector" $ }}
app.kubernetes.io/component: {{ index . 1 }}
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $.Chart.Name ($.Chart.Version | replace "+" "_") }}
{{- end -}}

{{/* Labels of a component's pods, and what selects them. Call with (list $ "component"). */}}
{{- define "hairpin.podLabels" -}}
{{- include "hairpin.selector" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "hairpin.s3Secret" -}}
{{- .Values.s3.existingSecret | default (printf "%s-s3" (include "hairpin.fullname" .)) -}}
{{- end -}}

{{- define "hairpin.minioSecret" -}}
{{- .Values.minio.existingSecret | default (printf "%s-minio" (include "hairpin.fullname" .)) -}}
{{- end -}}

{{- define "hairpin.videoSecret" -}}
{{- .Values.video.existingSecret | default (printf "%s-video" (include "hairpin.fullname" .)) -}}
{{- end -}}

{{- define "hairpin.grafanaSecret" -}}
{{- .Values.grafana.existingSecret | default (printf "%s-grafana" (include "hairpin.fullname" .)) -}}
{{- end -}}

{{- define "hairpin.participantsSecret" -}}
{{- .Values.workshop.existingSecret | default (printf "%s-participants" (include "hairpin.fullname" .)) -}}
{{- end -}}

{{- define "hairpin.tokenSecret" -}}
{{- .Values.auth.existingSecret | default (include "hairpin.fullname" .) -}}
{{- end -}}

{{- define "hairpin.driverPriority" -}}
{{- if .Values.priorityClasses.create -}}
{{- printf "%s-%s-driver" .Release.Namespace (include "hairpin.fullname" .) -}}
{{- end -}}
{{- end -}}

{{- define "hairpin.rolloutsPriority" -}}
{{- if .Values.priorityClasses.create -}}
{{- printf "%s-%s-rollouts" .Release.Namespace (include "hairpin.fullname" .) -}}
{{- end -}}
{{- end -}}

{{- define "hairpin.s3Endpoint" -}}
{{- .Values.s3.endpoint | default (printf "http://%s-minio:9000" (include "hairpin.fullname" .)) -}}
{{- end -}}

{{/* Where runs are: s3://BUCKET[/PREFIX]. */}}
{{- define "hairpin.storage" -}}
{{- printf "s3://%s" (compact (list .Values.s3.bucket .Values.s3.prefix) | join "/") -}}
{{- end -}}

{{- define "hairpin.videoUrl" -}}
{{- if .Values.video.enabled -}}
{{- .Values.video.url | default (printf "rtsp://%s-mediamtx:8554" (include "hairpin.fullname" .)) -}}
{{- end -}}
{{- end -}}

{{- define "hairpin.prometheusUrl" -}}
{{- .Values.grafana.prometheusUrl | default (printf "http://%s-prometheus:9090" (include "hairpin.fullname" .)) -}}
{{- end -}}

{{/* The port of a URL: (dict "url" ... "default" ...). */}}
{{- define "hairpin.port" -}}
{{- $host := (urlParse .url).host -}}
{{- regexFind ":[0-9]+$" $host | trimPrefix ":" | default (toString .default) -}}
{{- end -}}

{{/* CPUs that rollouts can have when the cluster is as large as it may be. */}}
{{- define "hairpin.rollouts" -}}
{{- $w := .Values.rolloutWorkers -}}
{{- add (mul (ternary $w.max $w.replicas $w.autoscaling) $w.cpus) .Values.head.cpus -}}
{{- end -}}
