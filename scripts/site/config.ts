// The settings of VitePress for the site of docs/. See docs/decisions/site.md.
import { anchorOf, docs, repository, siteLink } from "./links.ts";
import { navigation } from "./navigation.ts";

/** What is used of markdown-it, so that the checks need no VitePress. */
type Token = {
  readonly type: string;
  readonly children: Token[] | null;
  attrGet(name: string): string | null;
  attrSet(name: string, value: string): void;
};
type Page = { readonly tokens: Token[]; readonly env: { readonly relativePath?: string } };
type Markdown = {
  readonly renderer: {
    readonly rules: { text?: (tokens: { readonly content: string }[], at: number) => string };
  };
  readonly utils: { escapeHtml(text: string): string };
  readonly core: { readonly ruler: { push(name: string, rule: (page: Page) => void): void } };
};

export const config = {
  title: "Cufflink",
  description: "A bindings runtime: connects an app to the outside world over gRPC and HTTP.",
  lang: "en",
  srcDir: docs,
  // The index of a folder is README.md on GitHub.
  rewrites: { "README.md": "index.md", ":folder/README.md": ":folder/index.md" },
  metaChunk: true,
  markdown: {
    anchor: { slugify: anchorOf },
    config(markdown: Markdown): void {
      // No page means Vue's braces.
      markdown.renderer.rules.text = (tokens, at) =>
        markdown.utils.escapeHtml(tokens[at]?.content ?? "").replaceAll("{{", "&#123;&#123;");
      markdown.core.ruler.push("site-links", ({ tokens, env }) => {
        for (const token of tokens.flatMap(({ children }) => children ?? [])) {
          if (token.type === "code_inline") token.attrSet("v-pre", "");
          const target = token.type === "link_open" ? token.attrGet("href") : null;
          if (target === null) continue;
          token.attrSet("href", siteLink(target, env.relativePath ?? ""));
        }
      });
    },
  },
  vite: { build: { chunkSizeWarningLimit: 4096 } },
  themeConfig: {
    search: { provider: "local" },
    sidebar: navigation(),
    outline: [2, 3],
    socialLinks: [{ icon: "github", link: repository }],
    editLink: { pattern: `${repository}/edit/main/docs/:path`, text: "Edit this page" },
  },
};
