{{/* The name of everything of a release. A Service's has no dots, which a release's may have. */}}
{{- define "cufflink.name" -}}
{{- if contains "cufflink" .Release.Name -}}
{{- printf "%s-injector" .Release.Name | replace "." "-" | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-cufflink-injector" .Release.Name | replace "." "-" | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "cufflink.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "cufflink.name" .) -}}
{{- end -}}

{{- define "cufflink.selector" -}}
app.kubernetes.io/name: cufflink-injector
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "cufflink.labels" -}}
{{ include "cufflink.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "cufflink.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{/* The name of everything of an app's scaler. */}}
{{- define "cufflink.scaler" -}}
{{- printf "%s-scaler" .app.appId | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "cufflink.scaler.selector" -}}
app.kubernetes.io/name: cufflink-scaler
app.kubernetes.io/instance: {{ .name }}
{{- end -}}

{{- define "cufflink.scaler.labels" -}}
{{ include "cufflink.scaler.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}
