import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { App } from "./app.ts";

/** Addresses of pages: each is answered with the same document, whose script shows the page. */
export const pagePaths = [
  "/",
  "/sign-in",
  "/high-availability",
  "/resources",
  "/audit",
  "/audit/:kind",
  "/audit/:kind/:server",
  "/transitions",
  "/account",
] as const;

const types: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
};

/** Scripts, styles and data from here only, nothing inline. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** One file of the pages, ready to be sent. */
export interface PageFile {
  /** As in the address: `/assets/index-Ab12.js`. */
  readonly path: string;
  readonly type: string;
  readonly content: Buffer;
  readonly compressed: Buffer;
  readonly tag: string;
  /** Its name holds a hash of its content. */
  readonly isImmutable: boolean;
}

/**
 * Reads the built pages into memory.
 *
 * @throws when the folder or its `index.html` cannot be read, or a file is of an unknown kind
 */
export async function readPages(folder: string): Promise<readonly PageFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const pages = await Promise.all(
    files.sort().map(async (file): Promise<PageFile> => {
      const path = file.slice(folder.replace(/\/$/, "").length);
      const type = types[path.split(".").at(-1) ?? ""];
      if (type === undefined) throw new Error(`${file}: no content type is known for it`);
      const content = await readFile(file);
      return {
        path,
        type,
        content,
        compressed: gzipSync(content),
        tag: `"${createHash("sha256").update(content).digest("hex").slice(0, 16)}"`,
        isImmutable: path.startsWith("/assets/"),
      };
    }),
  );
  if (!pages.some(({ path }) => path === "/index.html")) throw new Error(`${folder}: there is no index.html`);
  return pages;
}

/** Serves the pages: no sign-in, no secret, the same for everybody. */
export function pageRoutes(app: App, pages: readonly PageFile[]): void {
  const document = pages.find(({ path }) => path === "/index.html");
  for (const page of pages) {
    if (page === document) continue;
    app.get(page.path, { logLevel: "warn" }, (request, reply) => send(request, reply, page));
  }
  if (document === undefined) return;
  for (const path of pagePaths)
    app.get(path, { logLevel: "warn" }, (request, reply) => send(request, reply, document));
}

function send(request: FastifyRequest, reply: FastifyReply, page: PageFile): FastifyReply {
  const isCompressed = /\bgzip\b/.test(String(request.headers["accept-encoding"] ?? ""));
  reply
    .header("content-security-policy", contentSecurityPolicy)
    .header("cache-control", page.isImmutable ? "public, max-age=31536000, immutable" : "no-cache")
    .header("vary", "accept-encoding")
    .header("etag", page.tag);
  if (request.headers["if-none-match"] === page.tag) return reply.code(304).send();
  reply.type(page.type);
  if (isCompressed) reply.header("content-encoding", "gzip");
  return reply.send(isCompressed ? page.compressed : page.content);
}
