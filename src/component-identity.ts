/** A component as it is described to its binding. */
export type ComponentIdentity = {
  /** The component's name, unique in this runtime. */
  readonly name: string;
  /** The app's id, for client ids, group names and the like. */
  readonly appId: string;
};
