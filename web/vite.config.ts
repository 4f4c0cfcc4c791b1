import { defineConfig } from "vite";

/**
 * Nothing inline: the pages' content security policy allows only files of this site. Always what people get, whatever
 * NODE_ENV says: a build by a test is kept for others, and React's development build is twice as large and slow.
 */
export default defineConfig({
  define: { "process.env.NODE_ENV": JSON.stringify("production") },
  oxc: { jsx: { runtime: "automatic", development: false } },
  build: { assetsInlineLimit: 0, modulePreload: { polyfill: false }, target: "es2022", emptyOutDir: true },
});
