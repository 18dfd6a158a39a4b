/** Cufflink's version, as in package.json. */
export const version = "0.1.0";

/** The version of Dapr whose wire contract this version speaks: what its clients are told when they ask. */
export const daprVersion = "1.18.3";
