/** `shared`: this process listens there; `unknown`: it is in use, perhaps by a runtime that has the component. */
export type PortUse = "free" | "shared" | "unknown";

export type PortProbe = {
  /** Whether `host:port` could be listened on, which it is for a moment. Rejects with a `BindingError` where it could not. */
  probe(host: string, port: number): Promise<PortUse>;
};
