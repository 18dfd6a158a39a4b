import { ExportResultCode, type ExportResult } from "@opentelemetry/core";
import { messageOf } from "../../errors.ts";
import type { ExportHealth } from "./export-health.ts";

/** The part of an exporter that sends. */
type Exporter<Items> = {
  export(items: Items, done: (result: ExportResult) => void): void;
  forceFlush?(): Promise<void>;
  shutdown(): Promise<void>;
};

/** Tells how the exports end; never fails itself. */
export class WatchedExporter<Items> {
  readonly #exporter: Exporter<Items>;
  readonly #health: ExportHealth;
  readonly #count: (items: Items) => number;

  constructor(exporter: Exporter<Items>, health: ExportHealth, count: (items: Items) => number) {
    this.#exporter = exporter;
    this.#health = health;
    this.#count = count;
  }

  export(items: Items, done: (result: ExportResult) => void): void {
    const before = this.#health.dropped;
    const ended = ({ code, error }: ExportResult): void => {
      if (code === ExportResultCode.FAILED) {
        const reason = error === undefined ? "no reason given" : messageOf(error);
        this.#health.drop(this.#count(items), reason);
      } else if (this.#health.dropped === before) this.#health.succeeded();
      done({ code: ExportResultCode.SUCCESS });
    };
    try {
      this.#exporter.export(items, ended);
    } catch (error) {
      ended({ code: ExportResultCode.FAILED, error: new Error(messageOf(error)) });
    }
  }

  async forceFlush(): Promise<void> {
    await this.#exporter.forceFlush?.();
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown();
  }
}
