import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { parse } from "yaml";
import { commentMarker } from "../../../core/preview/render.ts";
import { projectFolder } from "../../../scripts/setup/paths.ts";

const workflow = parse(readFileSync(join(projectFolder, ".github/workflows/preview.yml"), "utf8"));
const scripts: Record<string, string> = JSON.parse(
  readFileSync(join(projectFolder, "package.json"), "utf8"),
).scripts;

describe("the workflow", () => {
  it.each(["impact", "drift"])("%s is about stacks and commands that there are", (job) => {
    const { strategy, steps } = workflow.jobs[job];
    for (const stack of strategy.matrix.stack)
      expect(existsSync(join(projectFolder, `Pulumi.${stack}.yaml`))).toBe(true);
    const commands = steps.flatMap(({ run = "" }: { run?: string }) => [
      ...run.matchAll(/npm run (?:--silent )?(\S+)/g),
    ]);
    expect(commands.length).toBeGreaterThan(1);
    for (const [, name] of commands) expect(Object.keys(scripts)).toContain(name);
  });

  it("keeps secrets from pull requests of forks", () => {
    expect(workflow.on).not.toHaveProperty("pull_request_target");
    expect(workflow.jobs.impact.if).toContain("head.repo.full_name == github.repository");
  });

  it("writes one comment a stack, and the same one anew", async () => {
    const step = workflow.jobs.impact.steps.find(({ name }: { name?: string }) => name === "comment");
    const AsyncFunction = Object.getPrototypeOf(async () => undefined).constructor;
    const run = new AsyncFunction("require", "github", "context", "process", step.with.script);
    const comments: { id: number; body: string }[] = [{ id: 1, body: "a person's" }];
    // GitHub as far as the step uses it.
    const github = {
      paginate: async () => comments,
      rest: {
        issues: {
          createComment: async ({ body }: { body: string }) =>
            comments.push({ id: comments.length + 1, body }),
          updateComment: async ({ comment_id: id, body }: { comment_id: number; body: string }) => {
            for (const comment of comments) if (comment.id === id) comment.body = body;
          },
        },
      },
    };
    const context = { repo: { owner: "o", repo: "r" }, issue: { number: 7 } };
    const directory = process.cwd();
    const folder = mkdtempSync(join(tmpdir(), "pg-continuity-workflow-"));
    process.chdir(folder);
    onTestFinished(() => {
      process.chdir(directory);
      rmSync(folder, { recursive: true });
    });
    const comment = async (stack: string, text: string, code = "2") => {
      writeFileSync("impact.md", `${commentMarker(stack)}\n${text}`);
      await run(createRequire(import.meta.url), github, context, { env: { STACK: stack, CODE: code } });
    };
    await comment("staging", "first");
    await comment("production", "first");
    await comment("staging", "second");
    const texts = () => comments.map(({ body }) => body.split("\n").at(-1));
    expect(texts()).toEqual(["a person's", "second", "first"]);

    // The last push took the change back: what stands there must not go on saying otherwise. Nothing is no news.
    expect(String(step.if ?? "")).not.toContain("code");
    await comment("staging", "no change", "0");
    await comment("another", "no change", "0");
    expect(texts()).toEqual(["a person's", "no change", "first"]);
  });
});
