/** Whether the tests of clouds that are slow, or whose servers are slow to start, are to run: by `npm run test:clouds`. */
export const withClouds = process.env["CUFFLINK_TEST_CLOUDS"] === "1";
