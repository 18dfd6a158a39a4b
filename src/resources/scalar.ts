/** A scalar as Go's YAML 1.1 reads it: JSON text for what is no string, the text itself for a string. */
export type Scalar =
  | { readonly type: "string"; readonly text: string }
  | { readonly type: "boolean" | "number" | "null"; readonly text: string };

const yes = /^(?:y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON)$/;
const no = /^(?:n|N|no|No|NO|false|False|FALSE|off|Off|OFF)$/;
const nothing = /^(?:~|null|Null|NULL)?$/;
const signed64 = { min: -(2n ** 63n), max: 2n ** 64n - 1n };

/**
 * Resolves an unquoted scalar: `yes` and `on` are true, `010` is 8, `1.50` is 1.5, `1_000` is 1000; dates,
 * times, infinities and everything else stay text.
 */
export function resolvePlain(source: string): Scalar {
  if (nothing.test(source)) return { type: "null", text: "null" };
  if (yes.test(source)) return { type: "boolean", text: "true" };
  if (no.test(source)) return { type: "boolean", text: "false" };
  if (/^[-+]?[0-9]|^\./.test(source)) {
    const number = integerText(source) ?? floatText(source);
    if (number !== undefined) return { type: "number", text: number };
  }
  return { type: "string", text: source };
}

function integerText(source: string): string | undefined {
  if (source.startsWith(".")) return undefined;
  const match =
    /^([-+]?)(?:(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+|[1-9][0-9]*|0)|0([0-7]+))$/.exec(
      source.replaceAll("_", ""),
    );
  if (!match) return undefined;
  const magnitude = BigInt(match[2]?.toLowerCase() ?? `0o${match[3] ?? "0"}`);
  const value = match[1] === "-" ? -magnitude : magnitude;
  return value < signed64.min || value > signed64.max ? undefined : value.toString();
}

function floatText(source: string): string | undefined {
  const plain = source.replaceAll("_", "");
  if (!/^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/.test(plain)) return undefined;
  const value = Number(plain);
  if (!Number.isFinite(value)) return undefined;
  return Object.is(value, -0) ? "-0" : String(value);
}
