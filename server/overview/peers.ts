import { Agent, type RequestOptions, request } from "node:https";
import { z } from "zod";
import { leaders } from "../../core/alerts/election.ts";
import { ledgerSchema } from "../../core/alerts/ledger.ts";
import { type Attempt, type Loss, lossAfter } from "../../core/causes/index.ts";
import type { ServerConfig } from "../../core/serverConfig.ts";
import { databaseNames, type ServerName, serverNames } from "../../core/vocabulary.ts";
import { sharedLookup } from "../databases/connection.ts";
import { serverStates } from "../health.ts";
import { applicationProblem, connectionProblem, isSilence, silence, timeoutMs } from "./probes.ts";

const intervalMs = 700;
/** So old what a server says of another can be when it is heard: each asks after `intervalMs` and waits `timeoutMs`. */
export const wordMs = intervalMs + 2 * timeoutMs;
/** Somebody else's program is not asked more often than need be. */
const applicationIntervalMs = 2000;

export type Deployment = NonNullable<ServerConfig["deployment"]>;

/** What a server says of itself and of what it reaches, in its answer to `/witness`. */
const answerSchema = z.object({
  server: z.enum(serverNames),
  self: z.object({
    state: z.enum(serverStates),
    database: z.enum(databaseNames).nullable(),
    since: z.string(),
    startedAt: z.string(),
    // A server of the version before does not say it.
    problem: z.string().nullable().default(null),
    pack: z.object({ version: z.string(), keyFingerprint: z.string(), schema: z.string().nullable() }),
  }),
  databases: z.array(
    z.object({ database: z.enum(databaseNames), reachable: z.boolean(), observedAt: z.string().nullable() }),
  ),
  servers: z.array(
    z.object({ server: z.enum(serverNames), reachable: z.boolean(), observedAt: z.string().nullable() }),
  ),
  // Of another version there may be none, or one that this version does not understand.
  host: z
    .object({ certificateExpiresAt: z.string().nullable(), diskUsedPercent: z.number().nullable() })
    .optional()
    .catch(undefined),
  alerts: z
    .object({ leader: z.enum(leaders).nullable(), ledger: ledgerSchema })
    .optional()
    .catch(undefined),
});
export type PeerAnswer = DeepReadonly<z.output<typeof answerSchema>>;
type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

/** What came of asking another server. */
export interface PeerView {
  readonly name: ServerName;
  readonly answer: PeerAnswer | null;
  /** Why there is no answer. */
  readonly problem: string | null;
  /** How it was lost. */
  readonly loss: Loss;
  /** Since when it answers, or does not; milliseconds since the epoch. */
  readonly since: number;
  /** Milliseconds since the epoch; null before the first time. */
  readonly observedAt: number | null;
}

/** Whether the gateway takes connections. */
export interface GatewayView {
  readonly reachable: boolean;
  readonly problem: string | null;
}

/** What came of asking one's own application whether it is well. */
export interface ApplicationView {
  readonly name: ServerName;
  /** Why it is not; null where it is. */
  readonly problem: string | null;
  /** Since when; milliseconds since the epoch. */
  readonly since: number;
  /** Milliseconds since the epoch; null before the first time. */
  readonly observedAt: number | null;
}

/** Asks the other servers, the applications and the gateway again and again: who is there, and whom they reach. */
export class Peers {
  readonly #self: ServerName;
  readonly #views = new Map<ServerName, PeerView>();
  readonly #changed: () => void;
  #deployment: Deployment | null = null;
  #ca = "";
  #agent = new Agent({ keepAlive: true });
  #gateway: GatewayView = { reachable: false, problem: "not asked yet" };
  readonly #applications = new Map<ServerName, ApplicationView>();
  #timers: NodeJS.Timeout[] = [];

  /** @param changed called when a server comes, goes or says something new. */
  constructor(self: ServerName, changed: () => void) {
    this.#self = self;
    this.#changed = changed;
  }

  get views(): readonly PeerView[] {
    return [...this.#views.values()];
  }

  get applications(): readonly ApplicationView[] {
    return [...this.#applications.values()];
  }

  get gateway(): GatewayView {
    return this.#gateway;
  }

  /** Asks these from now on. */
  configure(deployment: Deployment | null, ca: string): void {
    if (JSON.stringify(deployment) === JSON.stringify(this.#deployment) && ca === this.#ca) return;
    this.stop();
    this.#deployment = deployment;
    this.#ca = ca;
    this.#agent = new Agent({ keepAlive: true });
    this.#views.clear();
    this.#applications.clear();
    if (deployment === null) return;
    for (const server of deployment.servers) {
      if (server.name === this.#self) continue;
      const since = Date.now();
      this.#views.set(server.name, {
        name: server.name,
        answer: null,
        problem: "not asked yet",
        loss: "other",
        since,
        observedAt: null,
      });
      this.#repeat(() => this.#askServer(server));
    }
    for (const application of deployment.applications) {
      const { name } = application;
      this.#applications.set(name, { name, problem: "not asked yet", since: Date.now(), observedAt: null });
      this.#repeat(() => this.#askApplication(application), applicationIntervalMs);
    }
    const { gateway } = deployment;
    if (gateway !== null) this.#repeat(() => this.#askGateway(gateway));
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers = [];
    this.#agent.destroy();
  }

  #repeat(ask: () => Promise<void>, everyMs = intervalMs): void {
    let busy = false;
    const once = (): void => {
      if (busy) return;
      busy = true;
      void ask().finally(() => {
        busy = false;
      });
    };
    once();
    this.#timers.push(setInterval(once, everyMs));
  }

  async #askServer(server: Deployment["servers"][number]): Promise<void> {
    const before = this.#views.get(server.name);
    let answer: PeerAnswer | null = null;
    let problem: string | null = null;
    let attempt: Attempt = "answered";
    try {
      const { address: host, port, certificateName: servername } = server;
      const options = { host, port, servername, ca: this.#ca, agent: this.#agent };
      answer = answerSchema.parse(JSON.parse(await textOf(options)));
      if (answer.server !== server.name) throw new Error(`there answers the ${answer.server} server`);
    } catch (error) {
      answer = null;
      attempt = error instanceof Unanswered ? error.attempt : "taken";
      problem =
        error instanceof z.ZodError || error instanceof SyntaxError
          ? "it answers something else than this version expects"
          : error instanceof Error
            ? error.message
            : String(error);
    }
    if (this.#views.get(server.name) !== before) return; // configured anew meanwhile
    const observedAt = Date.now();
    const same = before !== undefined && (before.answer === null) === (answer === null);
    const since = same ? before.since : observedAt;
    const loss = lossAfter(before?.loss ?? "other", attempt);
    this.#views.set(server.name, { name: server.name, answer, problem, loss, since, observedAt });
    if (describe(before?.answer) !== describe(answer)) this.#changed();
  }

  async #askApplication(application: Deployment["applications"][number]): Promise<void> {
    const { name } = application;
    const before = this.#applications.get(name);
    // Also where it cannot even be asked, by an address or a path that is none.
    const problem = await applicationProblem(application, this.#ca).catch((error: unknown) => String(error));
    if (before === undefined || this.#applications.get(name) !== before) return; // configured anew meanwhile
    const observedAt = Date.now();
    const same = before.observedAt !== null && (before.problem === null) === (problem === null);
    this.#applications.set(name, { name, problem, since: same ? before.since : observedAt, observedAt });
    if (!same) this.#changed();
  }

  async #askGateway({ address, port }: { address: string; port: number }): Promise<void> {
    const problem = await connectionProblem(address, port);
    const before = this.#gateway;
    this.#gateway = { reachable: problem === null, problem };
    if (before.reachable !== this.#gateway.reachable) this.#changed();
  }
}

/** What of an answer is news. */
function describe(answer: PeerAnswer | null | undefined): string {
  if (!answer) return "";
  const { self, databases, servers } = answer;
  return JSON.stringify([self, [...databases, ...servers].map(({ reachable }) => reachable)]);
}

/** A question to which nothing came back. */
class Unanswered extends Error {
  readonly attempt: Attempt;

  constructor(cause: Error, attempt: Attempt) {
    super(isSilence(cause) ? silence().message : cause.message, { cause });
    this.attempt = attempt;
  }
}

function textOf(options: RequestOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    let isTaken = false;
    const bounds = { path: "/witness", lookup: sharedLookup, signal: AbortSignal.timeout(timeoutMs) };
    const outgoing = request({ ...options, ...bounds }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
      incoming.on("error", reject);
      incoming.on("end", () => resolve(Buffer.concat(chunks).toString()));
    });
    outgoing.once("socket", (socket) => {
      if (socket.connecting) socket.once("connect", () => (isTaken = true));
    });
    outgoing.on("error", (error: NodeJS.ErrnoException) => {
      const isOld = outgoing.reusedSocket;
      const isThere = isTaken || (isOld && !isSilence(error)) || error.code === "ECONNREFUSED";
      reject(new Unanswered(error, isThere ? "taken" : isOld ? "silent" : "untaken"));
    });
    outgoing.end();
  });
}
