import type { App } from "./app.ts";
import { HttpProblem } from "./problem.ts";

/** So much longer than an operation's own limit (`operation.ts`), which can say more, is what comes before it bounded. */
const beforeSeconds = 1;
/** By itself a connection on which nothing moves ends earlier than a request may take. */
const connectionSeconds = 5;

/**
 * Gives requests up after a time, whatever they wait for. Asked anew for each: the limit follows the configuration
 * while the server runs, which Fastify's own (`handlerTimeout`) does not.
 */
export function limitTime(app: App, limitSeconds: () => number): void {
  app.addHook("onRequest", (request, reply, done) => {
    const seconds = request.routeOptions.config.longestSeconds ?? limitSeconds() + beforeSeconds;
    request.raw.socket.setTimeout((seconds + connectionSeconds) * 1000);
    const timer = setTimeout(() => {
      if (reply.sent) return;
      const problem = new HttpProblem("time-limit", 503, "The request was given up after its time limit.", {
        retryAfterSeconds: 2,
      });
      // Half an answer is not ended as if it were whole.
      if (reply.raw.headersSent) reply.raw.destroy(problem);
      else void reply.send(problem);
    }, seconds * 1000);
    reply.raw.once("close", () => clearTimeout(timer));
    done();
  });
}
