import { isUtf8 } from "node:buffer";
import type { ShownDeadLetter } from "../rpc/records.ts";
import { counted, formatSize, formatTable, paragraph, plain } from "./terminal.ts";

/** As many bytes of a payload that is no text are shown. */
const shownBytes = 256;

/** A dead letter, for a person to read. */
export function describeDeadLetter(deadLetter: ShownDeadLetter): string {
  const { event, attempts } = deadLetter;
  const headers = event.headers.map(({ name, value }) => [plain(name), textOrHex(value)]);
  const metadata = Object.entries(event.metadata).map(([name, value]) => [
    plain(name),
    plain(value),
  ]);
  return [
    `Dead letter ${deadLetter.id}`,
    ...facts(deadLetter),
    ...section("Attempts", attempts.map(describeAttempt)),
    ...section("Metadata", metadata),
    ...section("Headers", headers),
    "",
    ...describePayload(deadLetter),
  ].join("\n");
}

/** A dead letter for tools: bytes in base64, and as text where they are. */
export function deadLetterJson(deadLetter: ShownDeadLetter): object {
  const { event, attempts, failed, receivedAt, storedAt, ...rest } = deadLetter;
  const key = event.key === undefined ? undefined : Buffer.from(event.key);
  return {
    ...rest,
    receivedAt: dateOf(receivedAt),
    storedAt: dateOf(storedAt),
    failedAttempts: failed,
    event: {
      id: event.id,
      ...(key && { key: key.toString("base64"), ...textOf("keyText", key) }),
      metadata: event.metadata,
      headers: event.headers.map(({ name, value }) => ({
        name,
        value: Buffer.from(value).toString("base64"),
        ...textOf("text", value),
      })),
      ...(event.data && {
        data: Buffer.from(event.data).toString("base64"),
        ...textOf("dataText", event.data),
      }),
    },
    attempts: attempts.map((one) => ({ ...one, at: dateOf(one.at) })),
  };
}

/** A time as ISO 8601 has it. */
export function dateOf(time: number): string {
  return new Date(time).toISOString();
}

/** A duration of an attempt: `12 ms`, `3.5 s`. */
export function tookText(milliseconds: number): string {
  if (milliseconds < 10) return `${milliseconds.toFixed(1)} ms`;
  return milliseconds < 1000
    ? `${milliseconds.toFixed(0)} ms`
    : `${(milliseconds / 1000).toFixed(1)} s`;
}

function facts(deadLetter: ShownDeadLetter): string[] {
  const { component, type, event, reason, cause, failed, redrives, edited, traceId } = deadLetter;
  const why = cause === "exhausted" ? "its attempts are used up" : "the app refused it for good";
  const history = [
    counted(failed, "attempt"),
    ...(redrives === 0 ? [] : [`redriven ${counted(redrives, "time")}`]),
    ...(edited ? ["edited"] : []),
    ...(deadLetter.redriving ? ["being redriven now"] : []),
  ];
  const rows = [
    ["component", `${component} (${type})`],
    ["event", event.id === undefined ? "-" : plain(event.id)],
    ...(event.key === undefined ? [] : [["key", textOrHex(Buffer.from(event.key))]]),
    ["cause", why],
    ["reason", plain(reason)],
    ["received", dateOf(deadLetter.receivedAt)],
    ["stored", dateOf(deadLetter.storedAt)],
    ["so far", history.join(", ")],
    ...(traceId === "" ? [] : [["trace", traceId]]),
  ];
  return indented(rows);
}

function section(title: string, rows: readonly string[][]): string[] {
  return rows.length === 0 ? [] : ["", title, ...indented(rows)];
}

function indented(rows: readonly string[][]): string[] {
  return formatTable(rows)
    .split("\n")
    .map((line) => `  ${line}`);
}

function describeAttempt({
  at,
  took,
  outcome,
  answer,
}: ShownDeadLetter["attempts"][number]): string[] {
  return [dateOf(at), tookText(took), outcome, plain(answer)];
}

function describePayload({ event: { data }, size, omitted }: ShownDeadLetter): string[] {
  if (omitted) return [`Payload of ${formatSize(size)}, left out here`];
  if (data === undefined) return ["No payload: the source said null"];
  const title = `Payload, ${formatSize(data.length)}`;
  if (isText(data)) {
    const lines = Buffer.from(data).toString().split(/\r?\n/);
    return [title, ...lines.map((line) => `  ${plain(line)}`)];
  }
  const dump = hexDump(data.subarray(0, shownBytes));
  const rest =
    data.length > shownBytes
      ? [paragraph("and more; --data writes all of it to standard output, as it is", "  ")]
      : [];
  return [title, ...dump, ...rest];
}

function isText(data: Uint8Array): boolean {
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  return isUtf8(data) && !/[\u0000-\u0008\u000e-\u001f]/.test(Buffer.from(data).toString());
}

/** Bytes as text where they are, else in hexadecimal, on one line. */
export function textOrHex(value: Uint8Array): string {
  if (isText(value)) return plain(Buffer.from(value).toString());
  return `0x${Buffer.from(value).toString("hex")}`;
}

function textOf(name: string, value: Uint8Array): Record<string, string> {
  return isUtf8(value) ? { [name]: Buffer.from(value).toString() } : {};
}

function hexDump(data: Uint8Array): string[] {
  const lines: string[] = [];
  for (let at = 0; at < data.length; at += 16) {
    const bytes = Buffer.from(data.subarray(at, at + 16));
    const hex = [...bytes].map((one) => one.toString(16).padStart(2, "0")).join(" ");
    const text = bytes.toString("latin1").replaceAll(/[^ -~]/g, ".");
    lines.push(`  ${at.toString(16).padStart(8, "0")}  ${hex.padEnd(47)}  ${text}`);
  }
  return lines;
}
