/** Whether what takes minutes is to be tested, and promises of minutes by waiting for them: by the scripts whose tests `npm test` shortens. */
export const isLong = process.env["CUFFLINK_TEST_LONG"] === "1";
