/** What a field is to the rules of messages (RFC 9113 8.2 and 8.3). */
export const FieldKind = {
  regular: 0,
  method: 1,
  scheme: 2,
  authority: 3,
  path: 4,
  status: 5,
  unknownPseudo: 6,
  /** connection, keep-alive, proxy-connection, transfer-encoding, upgrade */
  connectionSpecific: 7,
  te: 8,
  host: 9,
  contentLength: 10,
  cookie: 11,
  setCookie: 12,
  /** The name or the value is not one that HTTP/2 carries, or the value is not one that this name may have. */
  malformed: 13,
} as const;
export type FieldKind = (typeof FieldKind)[keyof typeof FieldKind];

/** Immutable, and shared by tables and blocks. */
export type HeaderField = {
  readonly name: string;
  readonly value: string;
  /** name + value + 32 (RFC 7541 4.1). */
  readonly size: number;
  readonly kind: FieldKind;
};

const special: ReadonlyMap<string, FieldKind> = new Map<string, FieldKind>([
  [":method", FieldKind.method],
  [":scheme", FieldKind.scheme],
  [":authority", FieldKind.authority],
  [":path", FieldKind.path],
  [":status", FieldKind.status],
  ["connection", FieldKind.connectionSpecific],
  ["keep-alive", FieldKind.connectionSpecific],
  ["proxy-connection", FieldKind.connectionSpecific],
  ["transfer-encoding", FieldKind.connectionSpecific],
  ["upgrade", FieldKind.connectionSpecific],
  ["te", FieldKind.te],
  ["host", FieldKind.host],
  ["content-length", FieldKind.contentLength],
  ["cookie", FieldKind.cookie],
  ["set-cookie", FieldKind.setCookie],
]);

/** Lower-case letters, digits and the signs of RFC 9110's `token`. */
const nameForm = /^:?[a-z0-9!#$%&'*+.^_`|~-]+$/;
const tokenForm = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;
const schemeForm = /^[A-Za-z][A-Za-z0-9+.-]*$/;
const statusForm = /^[1-9][0-9]{2}$/;
const lengthForm = /^[0-9]{1,15}$/;
/** Not empty, no userinfo (RFC 9113 8.3.1), and only what an authority may have (RFC 3986 3.2). */
const authorityForm = /^[-\w.~!$&'()*+,;=:%[\]]+$/;
/** A path as it stands in a URL, or `*`. */
// oxlint-disable-next-line no-control-regex
const pathForm = /^(?:\/[^\u0000-\u0020\u007f]*|\*)$/;

/** What fields of this name are, as long as their values are right. */
export function kindOfName(name: string): FieldKind {
  const kind = special.get(name);
  if (kind !== undefined) return kind;
  if (!nameForm.test(name)) return FieldKind.malformed;
  return name.charCodeAt(0) === 0x3a ? FieldKind.unknownPseudo : FieldKind.regular;
}

/** Whether a value has neither CR, LF and NUL (RFC 9113 8.2.1), nor a character beyond U+00FF. */
function hasNoControls(value: string): boolean {
  for (let index = 0; index < value.length; index++) {
    const code = value.charCodeAt(index);
    if (code > 0xff || code === 13 || code === 10 || code === 0) return false;
  }
  return true;
}

/** Whether there is no blank at the begin and the end (RFC 9113 8.2.1). */
function isTrimmed(value: string): boolean {
  const { length } = value;
  return length === 0 || !(isBlank(value.charCodeAt(0)) || isBlank(value.charCodeAt(length - 1)));
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}

/** What the field is, by the kind of its name. `isClean`: that there are neither CR, LF and NUL in the value, nor anything beyond U+00FF. */
export function kindOfField(
  nameKind: FieldKind,
  value: string,
  isClean: boolean = hasNoControls(value),
): FieldKind {
  return isClean && isTrimmed(value) && fitsName(nameKind, value) ? nameKind : FieldKind.malformed;
}

function fitsName(nameKind: FieldKind, value: string): boolean {
  switch (nameKind) {
    case FieldKind.method:
      return tokenForm.test(value);
    case FieldKind.scheme:
      return schemeForm.test(value);
    case FieldKind.authority:
    case FieldKind.host:
      return authorityForm.test(value);
    case FieldKind.path:
      return pathForm.test(value);
    case FieldKind.status:
      return statusForm.test(value);
    case FieldKind.te:
      return value.toLowerCase() === "trailers";
    case FieldKind.contentLength:
      return lengthForm.test(value);
    case FieldKind.malformed:
      return false;
    default:
      return true;
  }
}

export function headerField(name: string, value: string, kind: FieldKind): HeaderField {
  return { name, value, size: name.length + value.length + 32, kind };
}
