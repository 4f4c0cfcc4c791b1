import { shortened } from "../../core/alerts/notice.ts";
import { redactor } from "../../core/supportBundle/redact.ts";
import type { Channel } from "./channel.ts";

const longestProblem = 500;

/**
 * The channel with what holds for all of them: an attempt that takes longer has failed, whatever its library waits for,
 * and no error repeats a secret or goes on at length, whatever a receiver answers.
 */
export function bounded({ name, send }: Channel, secrets: readonly string[], limitMs: number): Channel {
  const redact = redactor(secrets);
  return {
    name,
    send: async (notice) => {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no answer within ${limitMs / 1000} s`)), limitMs);
      });
      try {
        await Promise.race([send(notice), late]);
      } catch (error) {
        const problem = redact(error instanceof Error ? error.message || error.name : String(error));
        throw new Error(shortened(problem, longestProblem));
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
