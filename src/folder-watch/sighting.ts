/** A regular file as it was at one moment. */
export type Sighting = {
  /** Relative to the folder. */
  readonly path: string;
  /** Another one whenever the file is another or has been written to. */
  readonly version: string;
  readonly size: number;
  readonly modified: Date;
};
