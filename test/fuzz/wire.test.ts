import { wireTargets } from "./targets/index.ts";
import { tryTargets } from "./try-targets.ts";

// Twenty seconds for HTTP/2: all that is remote goes through it.
tryTargets(wireTargets, 20_000 / wireTargets.length);
