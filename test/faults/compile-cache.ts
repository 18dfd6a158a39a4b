import { tmpdir } from "node:os";
import { join } from "node:path";

/** Many processes are started, and most of a start is compiling. */
export const compileCache = join(tmpdir(), "cufflink-faults-compile-cache");
