import { setTimeout as sleep } from "node:timers/promises";
import type { z } from "zod";

/** What a step's last line on standard output says. */
export interface StepResult {
  readonly step: string;
  readonly result: string;
  readonly [detail: string]: unknown;
}

/**
 * Runs one step of a deployment as a program: progress on standard error, exactly one JSON line on standard output,
 * exit code 0, or 1 with a message that says what to do. Never prints what it was given on standard input.
 */
export async function runStep(step: string, work: () => Promise<Omit<StepResult, "step">>): Promise<void> {
  try {
    const result = await work();
    process.stdout.write(`${JSON.stringify({ step, ...result })}\n`);
  } catch (error) {
    process.stderr.write(`${step}: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}

/** The value of an environment variable that the caller has to set. */
export function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") throw new Error(`the environment variable ${name} is not set`);
  return value;
}

/** The value of an environment variable that holds JSON. */
export function requiredJson<T>(name: string, schema: z.ZodType<T>): T {
  return schema.parse(JSON.parse(required(name)));
}

/** Everything on standard input, as text. */
export async function readInput(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

/**
 * Asks until there is an answer.
 *
 * @param ask gives the answer, or a sentence about what it is waiting for
 * @param seconds deadline; the error then holds the last sentence
 */
export async function waitUntil<T>(
  seconds: number,
  ask: () => Promise<{ done: T } | { waitingFor: string }>,
): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  let shown = "";
  while (true) {
    const answer = await ask();
    if ("done" in answer) return answer.done;
    if (answer.waitingFor !== shown) {
      shown = answer.waitingFor;
      process.stderr.write(`waiting: ${shown}\n`);
    }
    if (Date.now() > deadline) throw new Error(`gave up after ${seconds} s: ${shown}`);
    await sleep(100);
  }
}
