{{/* Values that contradict each other, and clusters that lack something: said before anything is made. */}}
{{- define "hairpin.checkValues" -}}
{{- $v := .Values -}}
{{- $wrong := list -}}
{{- if and $v.minio.enabled $v.s3.endpoint -}}
{{- $wrong = append $wrong "s3.endpoint names a store of yours and minio.enabled is true. Set minio.enabled=false to use yours, or take s3.endpoint out." -}}
{{- end -}}
{{- if and $v.minio.enabled $v.s3.existingSecret (not $v.minio.existingSecret) (eq $v.s3.existingSecret (printf "%s-minio" (include "hairpin.fullname" .))) -}}
{{- $wrong = append $wrong "s3.existingSecret is the secret of MinIO's root user. Give the driver a key of its own, or leave s3.existingSecret empty." -}}
{{- end -}}
{{- if not $v.minio.enabled -}}
{{- if not $v.s3.endpoint -}}
{{- $wrong = append $wrong "there is no store for checkpoints. Set s3.endpoint to yours (https://HOST), or minio.enabled=true." -}}
{{- end -}}
{{- if not $v.s3.existingSecret -}}
{{- $wrong = append $wrong "minio.enabled is false and s3.existingSecret is empty. Make a secret with the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and set s3.existingSecret to its name." -}}
{{- end -}}
{{- end -}}
{{- if and $v.mediamtx.enabled $v.video.url -}}
{{- $wrong = append $wrong "video.url names an RTSP server of yours and mediamtx.enabled is true. Set mediamtx.enabled=false to use yours, or take video.url out." -}}
{{- end -}}
{{- if and $v.video.enabled (not $v.mediamtx.enabled) -}}
{{- if not $v.video.url -}}
{{- $wrong = append $wrong "video.enabled is true and there is no RTSP server. Set video.url to yours (rtsp://HOST), mediamtx.enabled=true, or video.enabled=false." -}}
{{- else if not $v.video.existingSecret -}}
{{- $wrong = append $wrong "video.url is set and video.existingSecret is empty. Make a secret with the keys user and password, and set video.existingSecret to its name." -}}
{{- end -}}
{{- end -}}
{{- if and $v.mediamtx.enabled (not $v.video.enabled) -}}
{{- $wrong = append $wrong "mediamtx.enabled is true and video.enabled is false: nobody would use it. Set mediamtx.enabled=false too." -}}
{{- end -}}
{{- if and $v.prometheus.enabled $v.grafana.prometheusUrl -}}
{{- $wrong = append $wrong "grafana.prometheusUrl names a Prometheus of yours and prometheus.enabled is true. Set prometheus.enabled=false to use yours, or take grafana.prometheusUrl out." -}}
{{- end -}}
{{- if and $v.grafana.enabled (not $v.prometheus.enabled) (not $v.grafana.prometheusUrl) -}}
{{- $wrong = append $wrong "grafana.enabled is true and there is no Prometheus. Set grafana.prometheusUrl to yours, prometheus.enabled=true, or grafana.enabled=false." -}}
{{- end -}}
{{- if and $v.ingress.enabled (not $v.ingress.host) -}}
{{- $wrong = append $wrong "ingress.enabled is true and ingress.host is empty. Set it to the name that the job API has." -}}
{{- end -}}
{{- if and $v.ingress.enabled $v.networkPolicy.enabled (not $v.networkPolicy.jobClients) -}}
{{- $wrong = append $wrong "ingress.enabled is true and the network policy would not let its controller in. Add the controller's pods to networkPolicy.jobClients, such as [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}}]." -}}
{{- end -}}
{{- if and $v.ingress.storeHost (not $v.minio.enabled) -}}
{{- $wrong = append $wrong "ingress.storeHost is for MinIO and minio.enabled is false. Take it out, or set minio.enabled=true." -}}
{{- end -}}
{{- if and $v.ingress.enabled $v.ingress.storeHost $v.networkPolicy.enabled (not $v.networkPolicy.storeClients) -}}
{{- $wrong = append $wrong "ingress.storeHost is set and the network policy would not let its controller in. Add the controller's pods to networkPolicy.storeClients." -}}
{{- end -}}
{{- range $group := list "rolloutWorkers" "learner" -}}
{{- $g := get $v $group -}}
{{- if gt (int $g.min) (int $g.max) -}}
{{- $wrong = append $wrong (printf "%s.min is %d and %s.max is %d: the least is more than the most." $group (int $g.min) $group (int $g.max)) -}}
{{- end -}}
{{- end -}}
{{- if $v.workshop.participants -}}
{{- $all := int (include "hairpin.rollouts" .) -}}
{{- $of := dict "workshop.limits" $v.workshop.limits -}}
{{- range $participant, $own := $v.workshop.participants }}{{ $_ := set $of (printf "workshop.participants.%s" $participant) $own }}{{ end -}}
{{- range $where, $limits := $of -}}
{{- if gt (int ($limits.workers | default 1)) $all -}}
{{- $wrong = append $wrong (printf "%s.workers is %d and the cluster has room for %d: raise rolloutWorkers.max, or lower it." $where (int $limits.workers) $all) -}}
{{- end -}}
{{- end -}}
{{- if and (not $v.minio.enabled) (not $v.workshop.existingSecret) -}}
{{- $wrong = append $wrong (printf "workshop.participants are named and the store is yours. Make a user of it for each, with a key for %s/tenants/NAME, and set workshop.existingSecret to a secret with NAME, NAME.access-key-id and NAME.secret-access-key." (include "hairpin.storage" .)) -}}
{{- end -}}
{{- end -}}
{{- if lt (int (include "hairpin.rollouts" .)) 1 -}}
{{- $wrong = append $wrong "nothing would drive: rolloutWorkers may have no pod (max or replicas is 0) and head.cpus is 0. Raise one of them." -}}
{{- end -}}
{{- if lt (int $v.head.terminationGracePeriodSeconds) 30 -}}
{{- $wrong = append $wrong (printf "head.terminationGracePeriodSeconds is %d; a driver needs 30 to save." (int $v.head.terminationGracePeriodSeconds)) -}}
{{- end -}}
{{- $gib := 1073741824.0 -}}
{{- $cases := list (list "head" $v.head 2.0) (list "rolloutWorkers" $v.rolloutWorkers (addf 1.0 (mulf 0.5 $v.rolloutWorkers.cpus))) -}}
{{- if $v.learner.enabled }}{{ $cases = append $cases (list "learner" $v.learner 4.0) }}{{ end -}}
{{- range $case := $cases -}}
{{- $key := index $case 0 -}}
{{- $limit := (index $case 1).resources.limits.memory -}}
{{- $least := index $case 2 -}}
{{- $has := divf (include "hairpin.bytes" $limit | float64) $gib -}}
{{- $store := divf (include "hairpin.bytes" (index $case 1).objectStoreMemory | float64) $gib -}}
{{- if lt $has $least -}}
{{- $wrong = append $wrong (printf "%s.resources.limits.memory is %s; it needs %gGi at least, or the kernel ends it in the middle of a training." $key (toString $limit) $least) -}}
{{- else if gt $store (divf $has 2) -}}
{{- $wrong = append $wrong (printf "%s.objectStoreMemory is more than half of %s.resources.limits.memory, out of which it is taken." $key $key) -}}
{{- end -}}
{{- end -}}
{{- if $wrong -}}
{{- printf "\n\nHairpin: these values cannot be used.\n- %s\n" (join "\n- " $wrong) | fail -}}
{{- end -}}
{{- end -}}

{{/* Only a cluster has apiregistration.k8s.io: `helm template` and `helm lint` know no CRDs. */}}
{{- define "hairpin.checkCluster" -}}
{{- $apis := .Capabilities.APIVersions -}}
{{- if $apis.Has "apiregistration.k8s.io/v1" -}}
{{- $install := "helm upgrade --install kuberay-operator kuberay-operator --repo https://ray-project.github.io/kuberay-helm --version 1.7.0 --namespace kuberay-system --create-namespace" -}}
{{- if not ($apis.Has "ray.io/v1/RayCluster") -}}
{{- printf "\n\nHairpin: this cluster has no KubeRay operator (it does not know ray.io/v1 RayCluster). Install it, then try again:\n\n  %s\n" $install | fail -}}
{{- end -}}
{{- if not ($apis.Has "ray.io/v1/RayCronJob") -}}
{{- printf "\n\nHairpin: this cluster's KubeRay is older than 1.6, which is the first that can ask for a token. Helm does not renew CRDs, so both steps are needed:\n\n  kubectl apply --server-side --force-conflicts -k 'https://github.com/ray-project/kuberay/ray-operator/config/crd?ref=v1.7.0'\n  %s\n" $install | fail -}}
{{- end -}}
{{- $v := .Values -}}
{{- $secrets := list
  (list "auth.existingSecret" $v.auth.existingSecret (list "auth_token"))
  (list "s3.existingSecret" $v.s3.existingSecret (list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY"))
  (list "video.existingSecret" $v.video.existingSecret (ternary (list "user" "password" "reader-user" "reader-password") (list "user" "password") $v.mediamtx.enabled))
  (list "minio.existingSecret" (ternary $v.minio.existingSecret "" $v.minio.enabled) (list "root-user" "root-password"))
  (list "grafana.existingSecret" (ternary $v.grafana.existingSecret "" $v.grafana.enabled) (list "admin-user" "admin-password"))
-}}
{{- range $case := $secrets -}}
{{- with index $case 1 -}}
{{- $found := (lookup "v1" "Secret" $.Release.Namespace . | default dict).data | default dict -}}
{{- range $key := index $case 2 -}}
{{- if not (hasKey $found $key) -}}
{{- $make := printf "kubectl -n %s create secret generic %s" $.Release.Namespace (index $case 1) -}}
{{- range index $case 2 }}{{ $make = printf "%s --from-file=%s" $make . }}{{ end -}}
{{- printf "\n\nHairpin: %s is %s, and namespace %s has no such secret with the key %s. Make it, from files of these names:\n\n  %s\n" (index $case 0) (index $case 1) $.Release.Namespace $key $make | fail -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $m := .Values.monitoring -}}
{{- if and (or $m.podMonitor.enabled $m.serviceMonitor.enabled $m.prometheusRule.enabled) (not ($apis.Has "monitoring.coreos.com/v1")) -}}
{{- fail "\n\nHairpin: monitoring.* asks for monitors or rules and this cluster has no Prometheus operator (monitoring.coreos.com/v1). Install kube-prometheus-stack, or switch them off.\n" -}}
{{- end -}}
{{- end -}}
{{- end -}}
