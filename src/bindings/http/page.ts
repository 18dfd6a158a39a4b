import { STATUS_CODES } from "node:http";
import { BindingError } from "../../errors.ts";
import { feedKey } from "../../feed/progress.ts";
import { resolveLocation } from "../../http-client/address.ts";
import type { Address } from "../../http-client/address.ts";
import type { Answered } from "../../http-client/exchange.ts";
import { failureOfStatus, isSuccess, retryAfterOf } from "../../http-client/status.ts";
import { formatByteSize } from "../../metadata/byte-size.ts";
import type { Values } from "../../metadata/fields.ts";
import type { httpFields } from "./fields.ts";
import { parseBody, textAt, valueAt } from "./json-path.ts";
import { nextLink } from "./links.ts";

export type InputMetadata = Values<typeof httpFields>;

/** What one request of a poll has brought. */
export type Page = {
  readonly items: readonly PageItem[];
  /** What leads on; `undefined`: nothing does. */
  readonly cursor: string | undefined;
};

export type PageItem = {
  /** The same each time that the item comes unchanged, though not of it alone: see {@link keysOf}. */
  readonly identity: string;
  readonly data: Uint8Array;
  readonly id: string | undefined;
  readonly key: string | undefined;
};

/** No server needs a longer one. */
const longestCursor = 8_192;

/** Reads an answer. Throws a `BindingError` for a status that is none of success, and for what is not as the metadata say. */
export function readPage(answered: Answered, metadata: InputMetadata): Page {
  const { status, headers, body, cut } = answered;
  if (!isSuccess(status)) {
    const { reason, effect } = failureOfStatus(status);
    const text = `received status code ${status} ${STATUS_CODES[status] ?? ""}`.trim();
    const retryAfter = retryAfterOf(headers["retry-after"]);
    throw new BindingError(reason, text, { effect, systemCode: String(status), retryAfter });
  }
  const { maxPageSize, cursorPath, cursorHeader, followLinks } = metadata;
  if (cut) throw tooLarge(`the page has more than ${formatByteSize(maxPageSize)}`, "maxPageSize");
  // 204 and 205 say that there is nothing.
  const isEmpty = status === 204 || status === 205;
  let json: { whole: unknown } | undefined;
  const whole = (): unknown => (json ??= { whole: parseBody(body) }).whole;
  const items = isEmpty ? [] : itemsOf(body, whole, metadata);
  let cursor: string | undefined;
  if (cursorPath !== undefined && !isEmpty) cursor = textAt(whole(), cursorPath);
  if (cursorHeader) cursor ??= single(headers[cursorHeader.toLowerCase()]);
  if (followLinks) cursor ??= nextLink(headers["link"]);
  if ((cursor?.length ?? 0) > longestCursor)
    throw new BindingError(
      "failed_precondition",
      `the cursor has more than ${longestCursor} characters`,
    );
  return { items, cursor: cursor === "" ? undefined : cursor };
}

function itemsOf(body: Buffer, whole: () => unknown, metadata: InputMetadata): PageItem[] {
  const { itemsPath, idPath, keyPath, maxItems } = metadata;
  if (itemsPath === undefined) {
    const needsJson = idPath !== undefined || keyPath !== undefined;
    return [itemOf(body, needsJson ? whole() : undefined, metadata)];
  }
  const list = valueAt(whole(), itemsPath);
  if (list === null) return [];
  if (!Array.isArray(list)) {
    const what = list === undefined ? "nothing" : "no array";
    throw new BindingError(
      "failed_precondition",
      `the answer has ${what} at itemsPath /${itemsPath.join("/")}`,
    );
  }
  if (list.length > maxItems) throw tooLarge(`the page has ${list.length} items`, "maxItems");
  return list.map((item: unknown) => itemOf(Buffer.from(JSON.stringify(item)), item, metadata));
}

function itemOf(data: Buffer, value: unknown, metadata: InputMetadata): PageItem {
  const { idPath, versionPath, keyPath } = metadata;
  const id = idPath && textAt(value, idPath);
  const version = versionPath && id !== undefined ? textAt(value, versionPath) : undefined;
  // Whole bodies, and items without identity, are known by their content.
  const identity =
    id === undefined
      ? feedKey("content", data.toString("latin1"))
      : feedKey("id", id, version ?? "");
  return {
    ...{ identity, data },
    id: id === undefined || version === undefined ? id : `${id}:${version}`,
    key: keyPath && textAt(value, keyPath),
  };
}

export function tooLarge(what: string, field: string): BindingError {
  return new BindingError(
    "resource_exhausted",
    `${what}, more than the component takes (${field})`,
  );
}

function single(value: string | string[] | undefined): string | undefined {
  return typeof value === "string" ? value : value?.[0];
}

/** Where a cursor leads: to the component's URL with a query parameter, or to a URL of its own. */
export function addressOf(
  home: Address,
  cursor: string | undefined,
  parameter: string | undefined,
): Address {
  if (cursor === undefined) return home;
  if (!parameter) {
    // oxlint-disable-next-line no-control-regex -- the very characters that are refused
    if (/[\x00-\x1f\x7f]/.test(cursor))
      throw new BindingError(
        "failed_precondition",
        "the cursor is no URL: it has a control character",
      );
    return resolveLocation(home, cursor);
  }
  const [path = "", query = ""] = home.path.split(/\?(.*)/s);
  const others = query.split("&").filter((part) => part !== "" && nameOf(part) !== parameter);
  const own = `${encodeURIComponent(parameter)}=${encodeURIComponent(cursor.toWellFormed())}`;
  return { ...home, path: `${path}?${[...others, own].join("&")}` };
}

function nameOf(part: string): string {
  const name = part.replace(/=.*$/s, "").replaceAll("+", " ");
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
