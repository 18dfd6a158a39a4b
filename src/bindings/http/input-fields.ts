import {
  bool,
  byPrefix,
  byteSize,
  duration,
  integer,
  list,
  oneOf,
  string,
} from "../../metadata/fields.ts";
import type { Field, FieldOptions } from "../../metadata/fields.ts";
import { parseSchedule, type Schedule } from "../../schedule/schedule.ts";
import { parsePath, type JsonPath } from "./json-path.ts";

/** The metadata of an HTTP component that reads. */
export const inputFields = {
  interval: duration({
    description: "How often the URL is asked. Default: `1m`. The first time is at the start.",
    direction: "input",
    positive: true,
    example: "30s",
  }),
  schedule: schedule(),
  itemsPath: path({
    description:
      "Where in a JSON answer the array is whose items are events, as a JSON pointer or a dotted path. `$`: the answer is the array. Unset: the whole answer is one event.",
    direction: "input",
    example: "/data/orders",
  }),
  idPath: path({
    description: "Where in an item its identity is. It is the event's id.",
    direction: "input",
    example: "/id",
  }),
  versionPath: path({
    description:
      "Where in an item its version is, such as the time of its last change. The same identity with another version is another event.",
    direction: "input",
    example: "/updated_at",
  }),
  keyPath: path({
    description: "Where in an item its key is. Events with the same key are handled in order.",
    direction: "input",
    example: "/customer",
  }),
  cursorPath: path({
    description:
      "Where in a JSON answer the cursor is that leads on. `-1` is the last element of an array.",
    direction: "input",
    example: "/next",
  }),
  cursorHeader: string({
    description: "The response header with the cursor that leads on.",
    direction: "input",
    example: "X-Next-Cursor",
  }),
  cursorParameter: string({
    description:
      "The query parameter that the cursor is sent as. Unset: the cursor is the URL of the next page.",
    direction: "input",
    example: "after",
  }),
  followLinks: bool({
    description: 'Whether the response header `Link` with `rel="next"` leads on.',
    direction: "input",
    default: "false",
  }),
  resume: oneOf(["cursor", "start"], {
    description:
      "Where a poll begins. `cursor`: at the last cursor, for feeds that grow at the end. `start`: at `url`, for lists that are always read whole.",
    direction: "input",
    default: "cursor",
  }),
  startFrom: oneOf(["oldest", "newest"], {
    description:
      "What the first poll delivers. `oldest`: all that is there. `newest`: nothing, only what comes later.",
    direction: "input",
    default: "oldest",
  }),
  allowOrigins: list({
    description:
      "Origins that redirects, cursors and links may lead to, beside that of `url`. They are never sent credentials.",
    direction: "input",
    example: "https://pages.example.com",
  }),
  headers: byPrefix(
    "header:",
    string({
      description:
        "The value of the request header NAME, sent with each poll to the origin of `url`.",
      direction: "input",
      sensitive: true,
      example: "Bearer …",
    }),
  ),
  pollTimeout: duration({
    description: "Maximum duration of one request of a poll, including redirects and body.",
    direction: "input",
    default: "30s",
    positive: true,
  }),
  maxPageSize: byteSize({
    description:
      "Maximum size of the body of one page, after gzip decompression. More is an error.",
    direction: "input",
    default: "4Mi",
  }),
  maxItems: integer({
    description:
      "Maximum number of items of one page, and with `resume: start` of all pages together. More is an error.",
    direction: "input",
    default: "10000",
    min: 1,
    max: 10_000,
  }),
  maxPages: integer({
    description:
      "Maximum number of pages of one poll. The next poll goes on from there; with `resume: start` more pages are an error.",
    direction: "input",
    default: "100",
    min: 1,
  }),
} as const;

function schedule(): Field<Schedule, false> {
  const text = string({
    description:
      "When the URL is asked, in place of `interval`: as the `schedule` of [`cron`](cron.md).",
    direction: "input",
    example: "0 */15 * * * *",
  });
  return { ...text, parse: parseSchedule };
}

function path(options: FieldOptions): Field<JsonPath, false> {
  const { present: _, ...text } = string(options);
  return { ...text, parse: parsePath };
}
