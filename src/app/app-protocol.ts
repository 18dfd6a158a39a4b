/** The values of `--app-protocol`. */
export const appProtocols = ["http", "https", "grpc", "grpcs", "h2c"] as const;

export type AppProtocol = (typeof appProtocols)[number];
