{{- define "aegis.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Short enough for what is put behind it: pods' ordinals, revisions' hashes, "-migrate". */}}
{{- define "aegis.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "aegis.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "aegis.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "aegis.commonLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ include "aegis.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "aegis.selectorLabels" -}}
app.kubernetes.io/name: {{ include "aegis.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: gateway
{{- end -}}

{{- define "aegis.labels" -}}
{{ include "aegis.commonLabels" . }}
app.kubernetes.io/component: gateway
{{- end -}}

{{- define "aegis.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "aegis.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "aegis.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The four files, and what the values put in their place or beside them. */}}
{{- define "aegis.configFiles" -}}
{{- $files := dict -}}
{{- range $name := list "gateway.yaml" "models.yaml" "pricing.yaml" "providers.yaml" -}}
{{- $_ := set $files $name ($.Files.Get (printf "config/%s" $name)) -}}
{{- end -}}
{{- $proxies := printf "trusted_proxies: %s" (toJson .Values.trustedProxies) -}}
{{- $_ := set $files "gateway.yaml" (replace "trusted_proxies: []" $proxies (get $files "gateway.yaml")) -}}
{{- range $name, $text := .Values.config.files -}}
{{- $_ := set $files $name $text -}}
{{- end -}}
{{- toYaml $files -}}
{{- end -}}

{{- define "aegis.secretFiles" -}}
{{- $_ := required "set secrets.existingSecret, or secrets.values.DATABASE_URL" .Values.secrets.values.DATABASE_URL -}}
{{- $_ := required "set secrets.existingSecret, or secrets.values.AEGIS_KEY_PEPPER" .Values.secrets.values.AEGIS_KEY_PEPPER -}}
{{- toYaml .Values.secrets.values -}}
{{- end -}}

{{/* What every container of AEGIS has in its environment: nothing secret. */}}
{{- define "aegis.env" -}}
- name: AEGIS_CONFIG_DIR
  value: /etc/aegis/config
- name: GATEWAY_PORT
  value: {{ .Values.ports.http | quote }}
- name: METRICS_PORT
  value: {{ .Values.ports.metrics | quote }}
- name: AEGIS_SHUTDOWN_GRACE
  value: {{ printf "%ds" (int .Values.drain.shutdownGraceSeconds) }}
- name: AEGIS_GRACEFUL_SHUTDOWN
  value: {{ printf "%ds" (int .Values.drain.gracefulShutdownSeconds) }}
- name: AEGIS_JOURNAL_DIR
  value: /var/lib/aegis/journal
- name: AEGIS_AUDIT_KEY_FILE
  value: /run/secrets/aegis-audit/signing-key.pem
{{- if .Values.tls.existingSecret }}
- name: AEGIS_TLS_CERT_FILE
  value: /run/secrets/aegis-tls/tls.crt
- name: AEGIS_TLS_KEY_FILE
  value: /run/secrets/aegis-tls/tls.key
{{- if eq .Values.tls.clientAuth "request" }}
- name: AEGIS_TLS_CLIENT_CA_FILE
  value: /run/secrets/aegis-tls/ca.crt
- name: AEGIS_TLS_CLIENT_AUTH
  value: {{ .Values.tls.clientAuth }}
{{- end }}
{{- end }}
{{- range $name, $text := .Values.env }}
- name: {{ $name }}
  value: {{ $text | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Whole folders, never a subPath: Kubernetes keeps those up to date, and a running gateway reads what changes. */}}
{{- define "aegis.volumeMounts" -}}
- name: config
  mountPath: /etc/aegis/config
  readOnly: true
- name: secrets
  mountPath: /run/secrets/aegis
  readOnly: true
- name: tmp
  mountPath: /tmp
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Called with the root, the name of the ConfigMap and that of the Secret. */}}
{{- define "aegis.volumes" -}}
- name: config
  configMap:
    name: {{ .configMap }}
- name: secrets
  secret:
    secretName: {{ .secret }}
    defaultMode: 288 # 0440: readable by fsGroup
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- with .root.Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "aegis.configMapName" -}}
{{- default (include "aegis.fullname" .) .Values.config.existingConfigMap -}}
{{- end -}}

{{- define "aegis.secretName" -}}
{{- default (include "aegis.fullname" .) .Values.secrets.existingSecret -}}
{{- end -}}

{{- define "aegis.auditSecretName" -}}
{{- default (printf "%s-audit" (include "aegis.fullname" .)) .Values.auditKey.existingSecret -}}
{{- end -}}

{{/* The end of the drain, and what comes after: the last words, both journals' and the traces' last way out. */}}
{{- define "aegis.terminationGracePeriodSeconds" -}}
{{- add (int .Values.drain.shutdownGraceSeconds) (int .Values.drain.gracefulShutdownSeconds) 20 -}}
{{- end -}}

{{- define "aegis.placement" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}
