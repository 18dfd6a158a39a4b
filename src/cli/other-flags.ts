/** daprd's flags of other building blocks: taken, without effect, and named once. */
export const otherFlags: readonly { name: string; value: boolean }[] = [
  ...[
    "placement-host-address",
    "scheduler-host-address",
    "scheduler-job-streams",
    "sentry-address",
    "control-plane-address",
    "control-plane-namespace",
    "control-plane-trust-domain",
    "trust-anchors",
    "profile-port",
    "dapr-internal-grpc-port",
    "dapr-internal-grpc-listen-address",
    "actors-service",
    "reminders-service",
    "read-buffer-size",
    "dapr-http-read-buffer-size",
    "max-request-size",
    "dapr-http-max-request-size",
    "disable-init-endpoints",
    "app-ssl-cert",
  ].map((name) => ({ name, value: true })),
  ...["enable-mtls", "enable-profiling", "enable-api-logging"].map((name) => ({
    name,
    value: false,
  })),
];
