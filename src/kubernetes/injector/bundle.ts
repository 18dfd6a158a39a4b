import { X509Certificate } from "node:crypto";
import { commonName } from "./certificate.ts";

/** As many certificates of injectors as a bundle keeps: what replicas that were killed have left goes at some time. */
const mostKept = 16;

/**
 * A bundle (PEM) with the own certificates in it, without those of `retired`, and without certificates of injectors
 * that have expired. Certificates of others stay.
 *
 * @param now milliseconds since 1970
 */
export function mergedBundle(
  bundle: string,
  own: readonly string[],
  retired: readonly string[],
  now: number,
): string {
  const mine = own.map(normalized);
  const gone = new Set(retired.map(normalized));
  const others: string[] = [];
  const injectors: { text: string; notAfter: number }[] = [];
  for (const text of certificatesIn(bundle)) {
    if (mine.includes(text) || gone.has(text)) continue;
    const read = readCertificate(text);
    if (read === undefined) continue;
    if (!read.isInjectors) others.push(text);
    else if (read.notAfter > now) injectors.push({ text, notAfter: read.notAfter });
  }
  const kept = injectors
    .toSorted((one, other) => one.notAfter - other.notAfter)
    .slice(-Math.max(0, mostKept - mine.length))
    .map(({ text }) => text);
  return [...others, ...kept, ...mine].join("");
}

function certificatesIn(bundle: string): string[] {
  const found = bundle.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  return [...new Set(found.map(normalized))];
}

function normalized(text: string): string {
  return `${text.trim().replaceAll("\r", "")}\n`;
}

function readCertificate(text: string): { isInjectors: boolean; notAfter: number } | undefined {
  try {
    const { subject, validTo } = new X509Certificate(text);
    return { isInjectors: subject.startsWith(`CN=${commonName}`), notAfter: Date.parse(validTo) };
  } catch {
    // An API server would refuse the bundle with it.
    return undefined;
  }
}
