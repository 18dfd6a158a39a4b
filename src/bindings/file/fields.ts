import { unfinishedNames } from "../../folder-watch/name-patterns.ts";
import {
  bool,
  byteSize,
  duration,
  list,
  oneOf,
  string,
  type Values,
} from "../../metadata/fields.ts";

/** What a file component's metadata can say. */
export const fileFields = {
  folder: string({
    description: "The folder to watch. It must exist, and the process must be able to write to it.",
    required: true,
    example: "/var/spool/orders",
  }),
  onHandled: oneOf(["move", "delete"], {
    description: "What happens to a file that the app has handled.",
    default: "move",
  }),
  processedFolder: string({
    description:
      "The folder for handled files. A relative path starts at `folder`. It is created if missing, and never watched.",
    default: "processed",
    example: "/var/spool/orders-done",
  }),
  recursive: bool({
    description: "Watch subfolders too. Symbolic links are never followed.",
    default: "false",
  }),
  include: list({
    description: "Patterns of the file names to read, with `*` and `?`, separated by commas.",
    default: "*",
    example: "*.csv,*.json",
  }),
  ignore: list({
    description:
      "Patterns of the names to ignore, also of folders. The default has names that programs use for unfinished files.",
    default: unfinishedNames,
  }),
  quietTime: duration({
    description: "How long a file's size and time must be unchanged before it is an event.",
    default: "1s",
  }),
  maxSize: byteSize({
    description: "A larger file is not read, with a warning.",
    default: "4Mi",
  }),
  scanInterval: duration({
    description:
      "How often the whole folder is scanned, in addition to change notifications. Network folders send none.",
    default: "5s",
    positive: true,
  }),
} as const;

export type FileMetadata = Values<typeof fileFields>;
