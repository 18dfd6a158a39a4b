import http from "node:http";
import https from "node:https";
import { ExportResultCode, type ExportResult } from "@opentelemetry/core";
import { ZipkinExporter } from "@opentelemetry/exporter-zipkin";

type Send = (spans: readonly unknown[], done: (result: ExportResult) => void) => void;

/** OpenTelemetry's exporter, with a limit to the time of a request, which it has not. */
export class TimedZipkinExporter extends ZipkinExporter {
  constructor(url: string, timeout: number) {
    super({ url });
    const send: Send = (spans, done) => {
      post(url, timeout, JSON.stringify(spans)).then(
        () => done({ code: ExportResultCode.SUCCESS }),
        (error: Error) => done({ code: ExportResultCode.FAILED, error }),
      );
    };
    (this as unknown as { _send: Send })._send = send;
  }
}

function post(url: string, timeout: number, body: string): Promise<void> {
  const { request } = url.toLowerCase().startsWith("https:") ? https : http;
  return new Promise((resolve, reject) => {
    const sent = request(url, {
      method: "POST",
      headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
      signal: AbortSignal.timeout(timeout),
    });
    sent.on("error", (error) =>
      reject(error.name === "AbortError" ? new Error(`no answer within ${timeout} ms`) : error),
    );
    sent.on("response", (response) => {
      const { statusCode = 0 } = response;
      // What it says beside its status is of no use.
      response.destroy();
      if (statusCode >= 200 && statusCode < 300) resolve();
      else reject(new Error(`HTTP ${statusCode}`));
    });
    sent.end(body);
  });
}
