/** How the app is at one moment. `absent`: it cannot be reached. */
export type AppCondition = {
  readonly kind: "ready" | "absent" | "unhealthy" | "wrong protocol";
  /** A sentence; empty while it is ready. */
  readonly reason: string;
};
