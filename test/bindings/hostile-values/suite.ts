import { expect, test } from "vitest";
import type { AnyBinding } from "../../../src/binding.ts";
import { BindingError } from "../../../src/errors.ts";
import { openOutput, type OpenedOutput } from "../opened-output.ts";

/** What breaks out of a line, a text, a name, a path or a statement where it is not escaped. */
const hostileValues = {
  "CR LF": "a\r\nX-Injected: yes\r\n\r\nDELETE /all",
  LF: 'a\n"X-Injected": yes',
  NUL: "a\0b",
  quotes: `a"b'c\`d\\e; DROP TABLE x; --`,
  "spaces and commas": "a b,c=d #e",
  "../": "../../../etc/passwd",
  "64 KiB": "k".repeat(65_536),
} as const;

/** A place of a call where a caller's text goes: a key, a header, a path, a line. */
export type HostilePlace = {
  /** Invokes an operation with the text there. */
  readonly send: (output: OpenedOutput, value: string) => Promise<unknown>;
  /** All that the system holds there, or was sent there, since the last time it was asked, as the system reads it. */
  readonly arrived: () => Promise<readonly string[]>;
  /** What arrives where it is not refused. Default: the value as it is. */
  readonly expected?: (value: string) => string;
  /** A value that is allowed there. Default `harmless`. */
  readonly harmless?: string;
};

export type HostileTarget = {
  readonly properties: Record<string, string>;
  readonly places: Readonly<Record<string, HostilePlace>>;
};

/**
 * Puts each hostile value into each place of a binding's calls: it is refused, and nothing arrives, or it arrives as it is and
 * nothing else does. Then a harmless value arrives over the same connection.
 */
export function testHostileValues(
  binding: AnyBinding,
  places: readonly string[],
  target: () => Promise<HostileTarget>,
): void {
  for (const place of places) {
    test(`${binding.name}: ${place} breaks out of nothing`, async () => {
      const { properties, places } = await target();
      const found = places[place];
      if (found === undefined) throw new Error(`${binding.name} has no place ${place}`);
      const { send, arrived, expected = (value) => value, harmless = "harmless" } = found;
      await using output = await openOutput(binding, properties);
      for (const [name, value] of Object.entries(hostileValues)) {
        const failure = await send(output, value).then(
          () => undefined,
          (error: unknown) => error,
        );
        const seen = await arrived();
        if (failure === undefined) expect(seen, name).toEqual([expected(value)]);
        else {
          expect(failure, name).toBeInstanceOf(BindingError);
          expect(failure, name).toMatchObject({ effect: expect.not.stringContaining("ambiguous") });
          expect(seen, name).toEqual([]);
        }
      }
      await send(output, harmless);
      expect(await arrived()).toEqual([expected(harmless)]);
    });
  }
}
