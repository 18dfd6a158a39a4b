// VitePress bundles this file with an esbuild that does not know the checkout's settings, so the rest is imported by Node.
const { config } = await import(new URL("../../scripts/site/config.ts", import.meta.url).href);
// oxlint-disable-next-line import/no-default-export -- VitePress reads it
export default config;
