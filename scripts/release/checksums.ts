import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** The files of a folder, as `sha256sum --check` reads them. */
export function checksums(folder: string): string {
  const names = readdirSync(folder).filter((name) => name !== "SHA256SUMS");
  const lines = names.toSorted().map((name) => {
    const hash = createHash("sha256")
      .update(readFileSync(join(folder, name)))
      .digest("hex");
    return `${hash}  ${name}\n`;
  });
  return lines.join("");
}
