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
    description:
      "The folder to watch. It must be there, and the process must be able to write to it.",
    required: true,
    example: "/var/spool/orders",
  }),
  onHandled: oneOf(["move", "delete"], {
    description: "What becomes of a file that the app has handled.",
    default: "move",
  }),
  processedFolder: string({
    description:
      "Where handled files go. A relative path is one in `folder`; it is made if it is not there, and never watched.",
    default: "processed",
    example: "/var/spool/orders-done",
  }),
  recursive: bool({
    description: "Watch the folders in the folder too. Symbolic links are never followed.",
    default: "false",
  }),
  include: list({
    description: "Patterns of the names to take, with `*` and `?`, separated by commas.",
    default: "*",
    example: "*.csv,*.json",
  }),
  ignore: list({
    description:
      "Patterns of the names to leave alone, folders' names too: what programs call files that they are still writing.",
    default: ".*,*~,~$*,#*#,*.tmp,*.temp,*.part,*.partial,*.crdownload,*.filepart,*.swp,*.swx",
  }),
  quietTime: duration({
    description: "How long a file's size and time must be unchanged before it is an event.",
    default: "1s",
  }),
  maxSize: byteSize({
    description: "A larger file is left where it is, with a warning.",
    default: "4Mi",
  }),
  scanInterval: duration({
    description:
      "How often the whole folder is scanned, besides the system's change notifications. Network folders have none.",
    default: "5s",
    positive: true,
  }),
} as const;

export type FileMetadata = Values<typeof fileFields>;
