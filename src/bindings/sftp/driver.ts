import type * as Ssh2 from "ssh2";

/** The parts of the driver that are used. */
export type Driver = Pick<typeof Ssh2, "Client" | "utils">;

export type Client = Ssh2.Client;

/** The driver's SFTP session. */
export type SftpWrapper = Ssh2.SFTPWrapper;

export type ParsedKey = Ssh2.ParsedKey;

export type Attributes = {
  readonly mode?: number;
  readonly size?: number;
  readonly mtime?: number;
};

/** An entry of a folder, as the server tells it. */
export type Entry = {
  readonly filename: string;
  readonly longname: string;
  readonly attrs: Attributes;
};
