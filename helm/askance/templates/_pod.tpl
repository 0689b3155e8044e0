{{- /* The pod of a role: a dict of `root`, the chart's scope, and `role`: run, learn or score. */}}
{{- define "askance.pod" -}}
{{- $role := .role }}
{{- with .root }}
serviceAccountName: {{ include "askance.serviceAccountName" . }}
automountServiceAccountToken: false
# Service links would add ASKANCE_ variables that are no settings, and those are refused at start.
enableServiceLinks: false
terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
containers:
  - name: askance
    image: {{ include "askance.image" . | quote }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    args: [{{ $role }}]
    securityContext:
      {{- toYaml .Values.securityContext | nindent 6 }}
    env:
      - name: ASKANCE_DATA_DIR
        value: /data
      {{- if eq $role "score" }}
      - name: ASKANCE_KAFKA__INSTANCE
        valueFrom:
          fieldRef:
            fieldPath: metadata.name
      {{- else }}
      - name: ASKANCE_OUTPUTS_FILE
        value: /config/outputs.json
      - name: ASKANCE_LEARNING__CONFIRM_REMOVED
        value: {{ toJson .Values.confirmRemoved | quote }}
      {{- end }}
      - name: ASKANCE_HTTP__HOST
        value: 0.0.0.0
      - name: ASKANCE_HTTP__PORT
        value: {{ .Values.service.port | quote }}
      {{- if .Values.kafka.bootstrap }}
      - name: ASKANCE_KAFKA__BOOTSTRAP
        value: {{ .Values.kafka.bootstrap | quote }}
      - name: ASKANCE_KAFKA__GROUP
        value: {{ .Values.kafka.group | quote }}
      {{- range $name, $value := .Values.kafka.security }}
      - name: {{ printf "ASKANCE_KAFKA__SECURITY__%s" $name | upper }}
        value: {{ include "askance.text" $value | quote }}
      {{- end }}
      {{- end }}
      {{- with include "askance.settings" . | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      {{- with .Values.extraEnv }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- with .Values.existingSecret }}
    envFrom:
      - secretRef:
          name: {{ . }}
    {{- end }}
    ports:
      - name: http
        containerPort: {{ .Values.service.port }}
    startupProbe:
      {{- toYaml .Values.startupProbe | nindent 6 }}
    readinessProbe:
      {{- toYaml .Values.readinessProbe | nindent 6 }}
    livenessProbe:
      {{- toYaml .Values.livenessProbe | nindent 6 }}
    {{- with ternary (default .Values.resources .Values.scorers.resources) .Values.resources (eq $role "score") }}
    resources:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    volumeMounts:
      - name: data
        mountPath: /data
      {{- if ne $role "score" }}
      - name: outputs
        mountPath: /config
        readOnly: true
      {{- end }}
      - name: tmp
        mountPath: /tmp
      {{- with .Values.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
volumes:
  {{- if ne $role "score" }}
  - name: outputs
    configMap:
      name: {{ default (printf "%s-outputs" (include "askance.fullname" .)) .Values.existingOutputs }}
  {{- end }}
  - name: tmp
    emptyDir: {}
  {{- if or (eq $role "score") (not .Values.persistence.enabled) }}
  - name: data
    emptyDir: {}
  {{- else if .Values.persistence.existingClaim }}
  - name: data
    persistentVolumeClaim:
      claimName: {{ .Values.persistence.existingClaim }}
  {{- end }}
  {{- with .Values.extraVolumes }}
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
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}
