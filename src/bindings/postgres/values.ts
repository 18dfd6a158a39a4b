import { arrayElements } from "./array-text.ts";
import { geometries } from "./geometries.ts";
import { jsonText, numberText, parseJson, writeJson } from "../../sql/json-text.ts";
import { rangeJson } from "./ranges.ts";
import { dateJson, intervalJson, timeJson, timestampJson, timestamptzJson } from "./times.ts";

/** Turns a value's text, as the server writes it, into the JSON that Dapr's driver makes of it. */
export type ToJson = (text: string) => string;

const asIs: ToJson = (text) => text;

/** By the type's OID. What is not here is a JSON string. */
const scalars: ReadonlyMap<number, ToJson> = new Map<number, ToJson>([
  [16, (text) => (text === "t" ? "true" : "false")],
  [17, (text) => jsonText(bytesOf(text).toString("base64"))],
  [18, (text) => String(text.codePointAt(0) ?? 0)],
  ...[20, 21, 23, 26, 28, 29, 5069].map((oid): [number, ToJson] => [oid, asIs]),
  [27, tidJson],
  [114, embedded],
  [3802, embedded],
  [650, prefixJson],
  [869, prefixJson],
  [700, floatJson],
  [701, floatJson],
  [774, hardwareAddressJson],
  [829, hardwareAddressJson],
  [1082, dateJson],
  [1083, timeJson],
  [1114, timestampJson],
  [1184, timestamptzJson],
  [1186, intervalJson],
  [1560, bitsJson],
  [1562, bitsJson],
  [1700, (text) => (/\d$/.test(text) ? text : jsonText(text))],
  [2950, (text) => `[${[...Buffer.from(text.replaceAll("-", ""), "hex")].join(",")}]`],
  ...geometries,
]);

/** The types of ranges, with their elements'. */
const ranges: readonly (readonly [range: number, element: number])[] = [
  [3904, 23],
  [3906, 1700],
  [3908, 1114],
  [3910, 1184],
  [3912, 1082],
  [3926, 20],
];

/** The types of arrays, with their elements'. */
const arrays: readonly (readonly [array: number, element: number])[] = [
  ...([
    [199, 114],
    [651, 650],
    [1000, 16],
    [1001, 17],
    [1002, 18],
    [1003, 19],
  ] as const),
  ...([
    [1005, 21],
    [1007, 23],
    [1009, 25],
    [1010, 27],
    [1011, 28],
    [1012, 29],
  ] as const),
  ...([
    [1014, 1042],
    [1015, 1043],
    [1016, 20],
    [1017, 600],
    [1018, 601],
    [1019, 602],
  ] as const),
  ...([
    [1020, 603],
    [1021, 700],
    [1022, 701],
    [1027, 604],
    [1028, 26],
    [1034, 1033],
  ] as const),
  ...([
    [1040, 829],
    [1041, 869],
    [1115, 1114],
    [1182, 1082],
    [1183, 1083],
    [1185, 1184],
  ] as const),
  ...([
    [1187, 1186],
    [1231, 1700],
    [1561, 1560],
    [1563, 1562],
    [2951, 2950],
    [3807, 3802],
  ] as const),
  ...([
    [629, 628],
    [719, 718],
    [4073, 4072],
    [271, 5069],
  ] as const),
  ...([
    [3905, 3904],
    [3907, 3906],
    [3909, 3908],
    [3911, 3910],
    [3913, 3912],
    [3927, 3926],
  ] as const),
];

const byType = new Map<number, ToJson>(scalars);
for (const [range, element] of ranges)
  byType.set(range, (text) => rangeJson(text, toJson(element)));
for (const [array, element] of arrays) {
  const delimiter = element === 603 ? ";" : ",";
  byType.set(array, (text) => {
    const each = toJson(element);
    const elements = arrayElements(text, delimiter);
    return `[${elements.map((one) => (one === null ? "null" : each(one))).join(",")}]`;
  });
}

/** How values of the type are written. */
export function toJson(type: number): ToJson {
  return byType.get(type) ?? jsonText;
}

/** The type has a value that JSON has no number for. */
export class UnsupportedValue extends Error {}

function floatJson(text: string): string {
  const value = Number(text);
  if (Number.isFinite(value)) return numberText(value);
  const shown = Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
  throw new UnsupportedValue(`json: unsupported value: ${shown}`);
}

function embedded(text: string): string {
  try {
    return writeJson(parseJson(text));
  } catch {
    // Nested too deeply to be read here: it is JSON all the same.
    return text;
  }
}

/** `\x00ff`, or printable characters with `\000` for others. */
function bytesOf(text: string): Buffer {
  if (text.startsWith(String.raw`\x`)) return Buffer.from(text.slice(2), "hex");
  const raw = text.replaceAll(/\\(\d{3}|\\)/g, (_, code: string) =>
    code === "\\" ? "\\" : String.fromCodePoint(Number.parseInt(code, 8)),
  );
  return Buffer.from(raw, "latin1");
}

/** An address of one host has no length in the server's text. */
function prefixJson(text: string): string {
  return jsonText(text.includes("/") ? text : `${text}/${text.includes(":") ? 128 : 32}`);
}

function hardwareAddressJson(text: string): string {
  return jsonText(Buffer.from(text.replaceAll(":", ""), "hex").toString("base64"));
}

function tidJson(text: string): string {
  const [block = "0", offset = "0"] = text.slice(1, -1).split(",");
  return `{"BlockNumber":${block},"OffsetNumber":${offset},"Valid":true}`;
}

function bitsJson(text: string): string {
  const bytes = Buffer.alloc(Math.ceil(text.length / 8));
  for (let at = 0; at < text.length; at++)
    if (text[at] === "1") bytes[at >> 3] = (bytes[at >> 3] ?? 0) | (0x80 >> (at & 7));
  return `{"Bytes":"${bytes.toString("base64")}","Len":${text.length},"Valid":true}`;
}
