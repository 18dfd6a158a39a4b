import type { HeaderBlock } from "./header-block.ts";
import type { HeaderField } from "./header-field.ts";
import { FieldKind } from "./header-field.ts";

/** Where the other fields begin: a bit beside those of the kinds. */
const pastPseudo = 1 << 30;

const required = (1 << FieldKind.method) | (1 << FieldKind.scheme) | (1 << FieldKind.path);

/**
 * Why the head of a request is malformed (RFC 9113 8.1.1 to 8.3.1), or undefined. CONNECT is not served, and counts as malformed.
 * A block that is too large is not whole: what is missing from it says nothing.
 */
export function checkRequest(block: HeaderBlock): string | undefined {
  const { fields } = block;
  let seen = 0;
  let method = "";
  let path = "";
  let authority: string | undefined;
  let host: string | undefined;
  for (let index = 0; index < fields.length; index++) {
    const field = fields[index] as HeaderField;
    const { kind, value } = field;
    switch (kind) {
      case FieldKind.method:
      case FieldKind.scheme:
      case FieldKind.authority:
      case FieldKind.path:
        if ((seen & (pastPseudo | (1 << kind))) !== 0) return misplaced(field, seen);
        if (kind === FieldKind.method) method = value;
        else if (kind === FieldKind.path) path = value;
        else if (kind === FieldKind.authority) authority = value;
        break;
      case FieldKind.host:
        if (host !== undefined) return "there are two headers host";
        host = value;
        seen |= pastPseudo;
        break;
      case FieldKind.contentLength:
        if ((seen & (1 << kind)) !== 0) return twoLengths;
        seen |= pastPseudo;
        break;
      case FieldKind.regular:
      case FieldKind.te:
      case FieldKind.cookie:
      case FieldKind.setCookie:
        seen |= pastPseudo;
        break;
      default:
        return refused(field);
    }
    seen |= 1 << kind;
  }
  if ((seen & required) !== required)
    return "one of the pseudo-headers :method, :scheme and :path is missing";
  if (method === "CONNECT") return "CONNECT is not supported";
  if (path === "*" && method !== "OPTIONS") return "only OPTIONS may have the :path *";
  if (authority === undefined && host === undefined) return "there is neither :authority nor host";
  if (authority !== undefined && host !== undefined && !isSame(authority, host))
    return "host is unlike :authority";
  return undefined;
}

/** Why the head of a response is malformed (RFC 9113 8.1.1 to 8.3.2), or undefined. */
export function checkResponse(block: HeaderBlock): string | undefined {
  const { fields } = block;
  const first = fields[0];
  if (first === undefined || first.kind !== FieldKind.status)
    return first?.kind === FieldKind.malformed ? refused(first) : "it does not begin with :status";
  if (first.value === "101") return "HTTP/2 has no status 101";
  return checkRegular(fields, 1, false);
}

/** Why trailers are malformed (RFC 9113 8.1), or undefined. */
export function checkTrailers(block: HeaderBlock): string | undefined {
  return checkRegular(block.fields, 0, true);
}

/** The content-length of a message that was checked, in bytes, or undefined where it has none. */
export function contentLength(block: HeaderBlock): number | undefined {
  const { fields } = block;
  for (let index = 0; index < fields.length; index++) {
    const field = fields[index] as HeaderField;
    if (field.kind === FieldKind.contentLength) return Number(field.value);
  }
  return undefined;
}

const twoLengths = "there are two headers content-length";

function checkRegular(
  fields: readonly HeaderField[],
  start: number,
  isBehindBody: boolean,
): string | undefined {
  let hasLength = false;
  for (let index = start; index < fields.length; index++) {
    const field = fields[index] as HeaderField;
    switch (field.kind) {
      case FieldKind.regular:
      case FieldKind.te:
      case FieldKind.cookie:
      case FieldKind.setCookie:
        break;
      case FieldKind.host:
        if (isBehindBody) return behindBody(field);
        break;
      case FieldKind.contentLength:
        if (isBehindBody) return behindBody(field);
        if (hasLength) return twoLengths;
        hasLength = true;
        break;
      default:
        return refused(field);
    }
  }
  return undefined;
}

/** Of fields that say something about the message as a whole (RFC 9110 6.5.1). */
function behindBody({ name }: HeaderField): string {
  return `the header ${name} stands behind the body`;
}

function misplaced(field: HeaderField, seen: number): string {
  return (seen & pastPseudo) === 0
    ? `there are two pseudo-headers ${field.name}`
    : `the pseudo-header ${field.name} stands behind other headers`;
}

function refused({ name, kind }: HeaderField): string {
  if (kind === FieldKind.malformed)
    return `the header ${JSON.stringify(name)} has a name or value that is not allowed`;
  return kind === FieldKind.connectionSpecific
    ? `HTTP/2 has no header ${name}`
    : `the pseudo-header ${name} does not belong here`;
}

function isSame(authority: string, host: string): boolean {
  return authority === host || authority.toLowerCase() === host.toLowerCase();
}
