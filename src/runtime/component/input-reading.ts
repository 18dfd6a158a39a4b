import type { ComponentSettings } from "./component-fields.ts";
import type { Opened } from "./opening.ts";

/** What reading goes by: the opened connection, and whom to tell when it cannot go on. */
export type Reading = {
  readonly opened: Opened;
  readonly settings: ComponentSettings;
  readonly route: string;
  /** Outputs use the connection: a source that refuses to be read does not end it. */
  readonly shared: boolean;
  readonly lost: (reason: unknown) => void;
};
