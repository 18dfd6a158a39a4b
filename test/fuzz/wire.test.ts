import { wireTargets } from "./targets/index.ts";
import { tryTargets } from "./try-targets.ts";

// Twenty seconds for HTTP/2: all that is remote goes through it. Two implementations may differ in what nobody has thought
// of, which `npm run test:fuzz` looks for; here the inputs are the same each time.
tryTargets(wireTargets, 20_000 / wireTargets.length, { seed: 2026, most: 8_000 });
