import { string } from "./fields.ts";
import type { Field, FieldOptions, PresentIf } from "./fields.ts";

/** Where a component listens. */
export type Address = { readonly host: string; readonly port: number };

/** A `host:port`, read when the metadata is, so that a wrong one is found by a check. */
export function address<const Options extends FieldOptions>(
  options: Options,
): Field<Address, PresentIf<Options>> {
  return {
    ...string(options),
    parse(text) {
      const match = /^(?:(?:\[([\da-f:.]+)\]|([^\s:[\]/]*)):)?(\d{1,5})$/i.exec(text.trim());
      const port = Number(match?.[3]);
      if (match === null || port > 65_535) {
        return { problem: 'is no address such as "0.0.0.0:8080"' };
      }
      const bare = !text.includes(":");
      return { value: { host: bare ? "127.0.0.1" : match[1] || match[2] || "::", port } };
    },
  };
}

/** A path, brought into the form in which requests write it. */
export function path(options: FieldOptions): Field<string, false> {
  return {
    ...string<FieldOptions>(options),
    parse(text) {
      if (text === "") return { value: "" };
      if (!text.startsWith("/") || /[?#\s]/.test(text)) {
        return { problem: 'is no path such as "/hooks/orders"' };
      }
      return { value: new URL(`http://host${text}`).pathname };
    },
  };
}
