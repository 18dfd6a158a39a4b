import type { Logger } from "../../../src/logger.ts";

const nothing = (): void => undefined;

export const quietLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };
