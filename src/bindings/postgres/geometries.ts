import { jsonText, numberText } from "../../sql/json-text.ts";

const number = /[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|Infinity)|NaN/g;

function numbersOf(text: string): number[] {
  return Array.from(text.matchAll(number), ([one]) => Number(one));
}

function pointsJson(text: string): string {
  const all = numbersOf(text);
  const points: string[] = [];
  for (let at = 0; at + 1 < all.length; at += 2) points.push(pointJson(all[at], all[at + 1]));
  return `[${points.join(",")}]`;
}

function pointJson(x = 0, y = 0): string {
  return `{"X":${numberText(x)},"Y":${numberText(y)}}`;
}

/** Numbers as Go's `%g` writes them. */
function general(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && size < 1e-4) return value.toExponential().replace(/e([-+])(\d)$/, "e$10$2");
  return numberText(value);
}

/** Geometric types by OID, as the fields of Dapr's driver. */
export const geometries: readonly (readonly [number, (text: string) => string])[] = [
  [
    600,
    (text) => {
      const [x = 0, y = 0] = numbersOf(text);
      return jsonText(`(${general(x)},${general(y)})`);
    },
  ],
  [601, (text) => `{"P":${pointsJson(text)},"Valid":true}`],
  [602, (text) => `{"P":${pointsJson(text)},"Closed":${text.startsWith("(")},"Valid":true}`],
  [603, (text) => `{"P":${pointsJson(text)},"Valid":true}`],
  [604, (text) => `{"P":${pointsJson(text)},"Valid":true}`],
  [
    628,
    (text) => {
      const [a = 0, b = 0, c = 0] = numbersOf(text).map(numberText);
      return `{"A":${a},"B":${b},"C":${c},"Valid":true}`;
    },
  ],
  [
    718,
    (text) => {
      const [x, y, radius = 0] = numbersOf(text);
      return `{"P":${pointJson(x, y)},"R":${numberText(radius)},"Valid":true}`;
    },
  ],
];
