import { createHash } from "node:crypto";
import type { Release } from "./check.ts";

/** What differs from run to run in CycloneDX and in SPDX, and the names that tools take from folders. */
type Bill = {
  serialNumber?: string;
  metadata?: { timestamp: string; component: { name: string; properties?: unknown } };
  documentNamespace?: string;
  creationInfo?: { created: string };
};

/** A bill of materials with the time of the commit, and the same identity each time that it is made. */
export function settled(text: string, { commit, time, version }: Release, subject: string): string {
  const bill = JSON.parse(text) as Bill;
  const at = new Date(time * 1000).toISOString();
  const identity = uuidOf(`${commit} ${subject}`);
  if (bill.metadata !== undefined) {
    bill.serialNumber = `urn:uuid:${identity}`;
    bill.metadata.timestamp = at;
    bill.metadata.component.name = "cufflink";
    // npm says that the checkout itself is not published.
    delete bill.metadata.component.properties;
  }
  if (bill.creationInfo !== undefined) {
    bill.creationInfo.created = at.replace(/\.\d+Z$/, "Z");
    const place = "https://github.com/cufflink-runtime/cufflink/spdx";
    bill.documentNamespace = `${place}/${version}-${subject}-${identity}`;
  }
  return `${JSON.stringify(bill, null, 2)}\n`;
}

/** A UUID of version 8, made of a text. */
function uuidOf(text: string): string {
  const hex = createHash("sha256").update(text).digest("hex");
  const parts = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
  ];
  return [...parts, hex.slice(20, 32)].join("-");
}
