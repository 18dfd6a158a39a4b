import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

type Profile = {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      readonly lineNumber: number;
    };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
};

const shown = 10;

/** The functions that took most time by themselves, of each profile in the folder, as lines of text. */
export async function profileLines(folder: string): Promise<string[]> {
  const lines: string[] = [];
  for (const file of (await readdir(folder)).filter((name) => name.endsWith(".cpuprofile"))) {
    const profile = JSON.parse(await readFile(join(folder, file), "utf8")) as Profile;
    lines.push("", `Of the time that ${file} was not idle:`, "", ...topOf(profile));
  }
  return lines;
}

function topOf({ nodes, samples, timeDeltas }: Profile): string[] {
  const places = new Map(nodes.map(({ id, callFrame }) => [id, placeOf(callFrame)]));
  const times = new Map<string, number>();
  let busy = 0;
  for (const [index, id] of samples.entries()) {
    const place = places.get(id) ?? "";
    if (place === "(idle)" || place === "(root)") continue;
    const time = timeDeltas[index] ?? 0;
    times.set(place, (times.get(place) ?? 0) + time);
    busy += time;
  }
  const sorted = [...times].sort(([, a], [, b]) => b - a).slice(0, shown);
  return sorted.map(([place, time]) => `- ${((time / busy) * 100).toFixed(1)} % ${place}`);
}

function placeOf({ functionName, url, lineNumber }: Profile["nodes"][number]["callFrame"]): string {
  const name = functionName || "(anonymous)";
  if (url === "") return name;
  const file = url.replace(/^file:\/\//, "").replace(/^.*\/(dist|node_modules)\//, "");
  return `\`${name}\` in ${file}:${lineNumber + 1}`;
}
