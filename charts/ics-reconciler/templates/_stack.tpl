{{- /* The settings of the stack that one must give, each by its name. */ -}}
{{- define "ics.validator" -}}
{{- required "config: ics:validator is missing; pass the stack file: --values stacks/Pulumi.NAME.yaml" (index .Values.config "ics:validator") -}}
{{- end -}}

{{- define "ics.reconciler" -}}
{{- $given := index .Values.config "ics:reconciler" | default dict -}}
{{- $_ := required "config: ics:reconciler.image is missing; name the image of the reconciler" $given.image -}}
{{- $mode := $given.mode | default "cron" -}}
{{- if not (has $mode (list "cron" "deployment")) -}}
{{- fail (printf "config: ics:reconciler.mode: %q; use cron or deployment" $mode) -}}
{{- end -}}
{{- merge (dict "mode" $mode) $given | toYaml -}}
{{- end -}}

{{- /* The stack file of the pod. The chart owns the reconciler, so its passes must not install it, too. The cluster is
that of the pod, and seed and account are Secrets, because the pod has no other files. */ -}}
{{- define "ics.stack" -}}
{{- $config := deepCopy .Values.config -}}
{{- $gateway := index $config "ics:gateway" | default dict -}}
{{- $home := $gateway.namespace | default (.Files.Get "files/product.yaml" | fromYaml).namespace -}}
{{- if ne $home .Release.Namespace -}}
{{- fail (printf "config: ics:gateway.namespace: %q, but the release is in %q; install it with --namespace %s" $home .Release.Namespace $home) -}}
{{- end -}}
{{- if eq (index $config "ics:engine" | default "auto") "pulumi" -}}
{{- fail "config: ics:engine: pulumi; the chart installs the embedded engine, so set ics:engine: apply, or let the stack install its reconciler (ics:reconciler.enabled)" -}}
{{- end -}}
{{- $reconciler := index $config "ics:reconciler" -}}
{{- range $name := list "seed" "account" -}}
{{- $own := index $config (printf "ics:%s" $name) | default dict -}}
{{- $secret := index $reconciler $name | default $own.secret -}}
{{- $_ := required (printf "config: ics:reconciler.%s is missing; name a Secret: {namespace, name, key}" $name) $secret -}}
{{- $_ := set $config (printf "ics:%s" $name) (dict "secret" $secret) -}}
{{- end -}}
{{- with index $config "ics:cluster" -}}
{{- $_ := set $config "ics:cluster" (omit . "kubeconfig" "context") -}}
{{- end -}}
{{- $_ := set $config "ics:engine" "apply" -}}
{{- $_ := unset $config "ics:reconciler" -}}
{{- $_ := unset $config "ics:pulumi" -}}
{{- dict "config" $config | toYaml -}}
{{- end -}}

{{- define "ics.labels" -}}
app.kubernetes.io/name: ics-reconciler
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "ics.pod" -}}
{{- $product := .Files.Get "files/product.yaml" | fromYaml -}}
{{- $given := include "ics.reconciler" . | fromYaml -}}
{{- $isDaemon := eq $given.mode "deployment" -}}
{{- $daemon := index .Values.config "ics:daemon" | default dict -}}
{{- $port := int (hasKey $daemon "port" | ternary $daemon.port $product.port) -}}
metadata:
  labels:
    {{- include "ics.labels" . | nindent 4 }}
  {{- if $isDaemon }}
  annotations:
    # A change of the files that it reads at its start rolls it.
    ics-operator.dev/config: {{ list (include "ics.stack" .) .Values.chains .Values.files | toJson | sha256sum | trunc 16 }}
  {{- end }}
spec:
  serviceAccountName: {{ .Release.Name }}
  automountServiceAccountToken: true
  enableServiceLinks: false
  restartPolicy: {{ $isDaemon | ternary "Always" "Never" }}
  securityContext:
    {{- toYaml $product.podSecurity | nindent 4 }}
  containers:
    - name: reconciler
      image: {{ $given.image }}
      args: [{{ $isDaemon | ternary "--watch" "--once" }}, --stack, {{ include "ics.validator" . }}]
      resources:
        {{- toYaml ($given.resources | default $product.resources) | nindent 8 }}
      securityContext:
        {{- toYaml $product.containerSecurity | nindent 8 }}
      {{- if and $isDaemon $port }}
      ports:
        - {name: http, containerPort: {{ $port }}, protocol: TCP}
      livenessProbe:
        httpGet: {path: /healthz, port: {{ $port }}}
        periodSeconds: 10
        timeoutSeconds: 3
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /readyz, port: {{ $port }}}
        periodSeconds: 10
        timeoutSeconds: 3
        failureThreshold: 3
      {{- end }}
      volumeMounts:
        - {name: stacks, mountPath: /app/stacks, readOnly: true}
        - {name: tmp, mountPath: /tmp}
  volumes:
    - name: tmp
      emptyDir: {}
    - name: stacks
      projected:
        sources:
          - secret:
              name: {{ .Release.Name }}-stack
          {{- range $name, $_ := .Values.chains }}
          - configMap:
              name: {{ $.Release.Name }}-chain-{{ $name }}
              items: [{key: {{ $name }}.yaml, path: chains/{{ $name }}.yaml}]
          {{- end }}
          {{- if .Values.files }}
          - configMap:
              name: {{ .Release.Name }}-files
              items:
                {{- range $name, $_ := .Values.files }}
                - {key: {{ $name }}, path: chains/{{ $name }}}
                {{- end }}
          {{- end }}
{{- end -}}
