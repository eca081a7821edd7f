{{/* Parts of pods. */}}

{{/* An image: (list $ .Values.X.image). */}}
{{- define "hairpin.image" -}}
{{- $ := index . 0 -}}
{{- $image := index . 1 -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository ($image.tag | default $.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* Bytes of a quantity such as 512Mi. */}}
{{- define "hairpin.bytes" -}}
{{- $number := regexFind "^[0-9.]+" (toString .) | float64 -}}
{{- $unit := regexFind "[A-Za-z]*$" (toString .) -}}
{{- $units := dict "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- mulf $number (get $units $unit | default 1) | int64 -}}
{{- end -}}

{{/* What all pods have: (list $ "serviceAccountName"). Pod Security "restricted", and no token. */}}
{{- define "hairpin.pod" -}}
{{- $ := index . 0 -}}
serviceAccountName: {{ index . 1 }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  {{- with $.Values.securityContext.user }}
  runAsUser: {{ . }}
  runAsGroup: {{ . }}
  fsGroup: {{ . }}
  {{- end }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* Where a component's pods may run: its values. */}}
{{- define "hairpin.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "hairpin.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* The container of a pod with Hairpin's image, without name, command and resources. */}}
{{- define "hairpin.container" -}}
image: {{ include "hairpin.image" (list . .Values.image) }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext: {{- include "hairpin.containerSecurity" . | nindent 2 }}
{{- end -}}

{{/* Environment of pods with Hairpin's image. The root file system is read-only. */}}
{{- define "hairpin.env" -}}
- {name: HOME, value: /tmp}
- {name: RAY_USAGE_STATS_ENABLED, value: "0"}
{{- with .Values.runtime.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "hairpin.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- with .Values.runtime.volumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "hairpin.volumes" -}}
- {name: tmp, emptyDir: {}}
{{- with .Values.runtime.volumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Mounted as /etc/hairpin: the scripts of files/scripts. */}}
{{- define "hairpin.scriptsMount" -}}
- {name: scripts, mountPath: /etc/hairpin, readOnly: true}
{{- end -}}

{{- define "hairpin.scriptsVolume" -}}
- {name: scripts, configMap: {name: {{ include "hairpin.fullname" . }}-scripts}}
{{- end -}}

{{/* Where the store is. */}}
{{- define "hairpin.s3Place" -}}
- {name: HAIRPIN_STORAGE, value: {{ include "hairpin.storage" . | quote }}}
- {name: HAIRPIN_S3_ENDPOINT, value: {{ include "hairpin.s3Endpoint" . | quote }}}
{{- with .Values.s3.region }}
- {name: AWS_REGION, value: {{ . | quote }}}
{{- end }}
{{- end -}}

{{/* A token of the API server for one container, not for all of its pod. */}}
{{- define "hairpin.apiTokenMount" -}}
- {name: api-token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
{{- end -}}

{{- define "hairpin.apiTokenVolume" -}}
- name: api-token
  projected:
    sources:
      - serviceAccountToken: {path: token, expirationSeconds: 3607}
      - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
      - downwardAPI: {items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]}
{{- end -}}

{{/* The driver's way to the store. */}}
{{- define "hairpin.s3Env" -}}
{{- include "hairpin.s3Place" . }}
{{- range list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
- name: {{ . }}
  valueFrom: {secretKeyRef: {name: {{ include "hairpin.s3Secret" $ }}, key: {{ . }}}}
{{- end }}
{{- end -}}

{{/* The driver's way to the video server. */}}
{{- define "hairpin.videoEnv" -}}
{{- with include "hairpin.videoUrl" . -}}
- {name: HAIRPIN_VIDEO, value: {{ . | quote }}}
- name: HAIRPIN_RTSP_USER
  valueFrom: {secretKeyRef: {name: {{ include "hairpin.videoSecret" $ }}, key: user}}
- name: HAIRPIN_RTSP_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ include "hairpin.videoSecret" $ }}, key: password}}
{{- end -}}
{{- end -}}

{{/* Keeps a generated secret: (dict "root" $ "name" NAME "data" (dict KEY VALUE ...)), values in clear. */}}
{{- define "hairpin.kept" -}}
{{- $found := (lookup "v1" "Secret" .root.Release.Namespace .name | default dict).data | default dict -}}
{{- range $key, $value := .data }}
{{ $key }}: {{ get $found $key | default (b64enc $value) }}
{{- end }}
{{- end -}}

{{/* A workshop's rules and its participants' passwords, which pods follow when they change. */}}
{{- define "hairpin.workshopEnv" -}}
{{- if .Values.workshop.participants }}
- {name: HAIRPIN_WORKSHOP, value: /etc/hairpin-workshop}
{{- end }}
{{- end -}}

{{- define "hairpin.workshopMount" -}}
{{- if .Values.workshop.participants }}
- {name: workshop, mountPath: /etc/hairpin-workshop, readOnly: true}
{{- end }}
{{- end -}}

{{- define "hairpin.workshopVolume" -}}
{{- if .Values.workshop.participants }}
- name: workshop
  projected:
    sources:
      - configMap: {name: {{ include "hairpin.fullname" . }}-workshop}
      - secret: {name: {{ include "hairpin.participantsSecret" . }}}
{{- end }}
{{- end -}}
