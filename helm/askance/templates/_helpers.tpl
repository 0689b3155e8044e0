{{- define "askance.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "askance.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "askance.name" .) .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "askance.name" .) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "askance.selectorLabels" -}}
app.kubernetes.io/name: {{ include "askance.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "askance.scorerLabels" -}}
app.kubernetes.io/name: {{ include "askance.name" . }}-score
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "askance.labels" -}}
{{ include "askance.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: askance
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "askance.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "askance.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "askance.image" -}}
{{- $tag := default .Chart.AppVersion .Values.image.tag }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository $tag }}
{{- end }}
{{- end }}

{{- define "askance.outputs" -}}
{{- $names := list }}
{{- range .Values.outputs }}
{{- $names = append $names (dict "name" .) }}
{{- end }}
{{- dict "outputs" $names | toPrettyJson }}
{{- end }}

{{- /* A value as text: strings as they are; numbers, lists and maps as JSON, so that 1000000 stays that. */}}
{{- define "askance.text" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end }}
{{- end }}

{{- /* One environment variable per setting: group and name, upper case, two underscores between. */}}
{{- define "askance.settings" -}}
{{- range $group, $value := .Values.settings }}
{{- if kindIs "map" $value }}
{{- range $name, $inner := $value }}
- name: {{ printf "ASKANCE_%s__%s" $group $name | upper }}
  value: {{ include "askance.text" $inner | quote }}
{{- end }}
{{- else }}
- name: {{ printf "ASKANCE_%s" $group | upper }}
  value: {{ include "askance.text" $value | quote }}
{{- end }}
{{- end }}
{{- end }}
