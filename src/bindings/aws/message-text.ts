import { BindingError } from "../../errors.ts";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The data as text. Throws a `BindingError` for what SQS and SNS cannot carry. */
export function messageText(data: Uint8Array | undefined, service: string): string {
  let text: string;
  try {
    text = decoder.decode(data ?? new Uint8Array());
  } catch {
    throw refused(
      `the data is not UTF-8, and ${service} carries nothing but text; encode it in base64`,
    );
  }
  checkText(text, "the data", service);
  return text;
}

/** The service refuses other characters; what it did with them would be its own business. */
export function checkText(text: string, what: string, service: string): void {
  // oxlint-disable-next-line no-control-regex -- the very characters that are refused
  const wrong = /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/.exec(text);
  if (wrong !== null)
    throw refused(`${what} has a character that ${service} does not carry, at ${wrong.index}`);
}

/** The attributes of a message, texts. Throws a `BindingError` for a name or a text that the service does not take. */
export function checkedAttributes(
  attributes: ReadonlyMap<string, string>,
  service: string,
): readonly (readonly [string, string])[] {
  return [...attributes].map(([name, value]) => {
    if (!/^[\w.-]{1,256}$/.test(name)) {
      const named = JSON.stringify(name.slice(0, 300));
      throw refused(`the attribute ${named} is no name: letters, digits, "_-." only`);
    }
    checkText(value, `the attribute ${name}`, service);
    return [name, value] as const;
  });
}

/** An id of a group or of a message, as both services take it. */
export function checkId(name: string, value: string | undefined): void {
  if (value && !/^[\x21-\x7e]{1,128}$/.test(value))
    throw refused(`${name} is none: letters, digits and punctuation, 128 at most`);
}

function refused(why: string): BindingError {
  return new BindingError("invalid_argument", why);
}
