import { defineConfig } from "vite";

/** Nothing inline: the pages' content security policy allows only files of this site. */
export default defineConfig({
  oxc: { jsx: { runtime: "automatic" } },
  build: { assetsInlineLimit: 0, modulePreload: { polyfill: false }, target: "es2022", emptyOutDir: true },
});
