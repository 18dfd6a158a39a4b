import type { InboundEvent, Logger, Settlement } from "../../src/binding.ts";

export type SourceEvent = InboundEvent & { readonly settlements: Settlement[] };

/** An event that keeps each settlement it gets. */
export function sourceEvent(
  text: string,
  facts: Partial<Pick<InboundEvent, "key" | "metadata" | "headers" | "data" | "revoked">> = {},
): SourceEvent {
  const settlements: Settlement[] = [];
  return {
    data: Buffer.from(text),
    metadata: {},
    headers: [],
    id: text,
    ...facts,
    settlements,
    settle: (settlement) => void settlements.push(settlement),
  };
}

export type Line = { level: keyof Logger; fields: object; message: string };

/** A logger that keeps its lines. */
export function keepingLogger() {
  const lines: Line[] = [];
  const write =
    (level: keyof Logger) =>
    (fields: object, message: string): void =>
      void lines.push({ level, fields, message });
  const logger = {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    child: () => logger,
    lines,
  };
  return logger;
}

/** Lets what is ready run, without letting time pass. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}
