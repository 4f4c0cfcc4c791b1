import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  decide,
  emptyLedger,
  type Ledger,
  ledgerSchema,
  markChannel,
  markTold,
  mergeLedgers,
  outstanding,
} from "../../../core/alerts/ledger.ts";
import type { Judgement } from "../../../core/alerts/rules.ts";
import type { ChannelName } from "../../../core/alerts/settings.ts";
import { observeSteadiness, type Steadiness } from "../../../core/alerts/steadiness.ts";

const settings = { delaySeconds: 3, recoverySeconds: 5 };
const channels: readonly ChannelName[] = ["webhook", "mail"];
const keys = ["server-inactive:primary", "server-inactive:secondary"] as const;
const began = Date.parse("2026-11-21T10:00:00.000Z");
const iso = (second: number) => new Date(began + second * 1000).toISOString();

const judgement = (key: string, holds: boolean | null): Judgement => ({
  ...{
    key,
    rule: "server-inactive",
    severity: "warning",
    subject: key,
    problem: "is down",
    remedy: "start it",
    holds,
  },
});

/** One server's view of the alerts, second after second. */
class Watch {
  ledger: Ledger = emptyLedger;
  #steadiness: Steadiness = new Map();

  turn(second: number, holds: readonly (boolean | null)[], leads: boolean): void {
    const judgements = keys.map((key, index) => judgement(key, holds[index] ?? null));
    this.#steadiness = observeSteadiness(this.#steadiness, judgements, second * 1000);
    if (!leads) return;
    const { ledger } = this;
    const steadiness = this.#steadiness;
    this.ledger = decide(ledger, {
      judgements,
      steadiness,
      settings,
      channels,
      now: second * 1000,
      at: iso(second),
    });
  }

  /** Sends what is outstanding on a channel that works. */
  send(second: number, channel: ChannelName, sent: string[]): void {
    const [next] = outstanding(this.ledger, channel, began + second * 1000);
    if (next === undefined) return;
    sent.push(`${next.incident.key} ${next.kind}`);
    this.ledger = markTold(this.ledger, next.incident, channel, next.kind, iso(second));
  }
}

describe("what people are told", () => {
  const timeline = (pattern: string) =>
    [...pattern].map((letter) => ({ x: true, ".": false, "?": null })[letter] ?? null);

  test.each([
    ["nothing of what is over soon", "xx..xx..xxx..", []],
    ["what lasts, and when it is over", "xxxxxx.......", ["3 fired", "11 recovered"]],
    ["a flap within the time of recovery only once", "xxxxx..xx..xx.......", ["3 fired", "18 recovered"]],
    ["nothing new by what is not known", "?xxxx????????????", ["4 fired"]],
    ["what is not known does not end the wait", "xx??xx", ["4 fired"]],
    [
      "each time that it lasts again",
      "xxxx......xxxx......",
      ["3 fired", "9 recovered", "13 fired", "19 recovered"],
    ],
  ])("%s: %s", (_, pattern, expected) => {
    const watch = new Watch();
    const told: string[] = [];
    timeline(pattern).forEach((holds, second) => {
      watch.turn(second, [holds, false], true);
      const sent: string[] = [];
      watch.send(second, "mail", sent);
      told.push(...sent.map((notice) => `${second} ${notice.split(" ")[1]}`));
    });
    expect(told).toEqual(expected);
  });

  test("a rule that is not asked any more is over", () => {
    const watch = new Watch();
    for (let second = 0; second < 5; second++) watch.turn(second, [true, true], true);
    const { ledger } = watch;
    const none = { judgements: [], steadiness: new Map(), settings, channels, now: 0, at: iso(9) };
    expect(Object.values(decide(ledger, none).incidents).map(({ recoveredAt }) => recoveredAt)).toEqual([
      iso(9),
      iso(9),
    ]);
  });

  test("a channel that comes later is told what fires later; what is long over is not told any more", () => {
    const watch = new Watch();
    for (let second = 0; second < 5; second++) watch.turn(second, [true, false], true);
    expect(outstanding(watch.ledger, "syslog", began)).toEqual([]);
    expect(outstanding(watch.ledger, "mail", began)).toHaveLength(1);
    for (let second = 5; second < 15; second++) watch.turn(second, [false, false], true);
    expect(outstanding(watch.ledger, "mail", began + 3600_000)).toMatchObject([{ kind: "fired" }]);
    expect(outstanding(watch.ledger, "mail", began + 25 * 3600_000)).toEqual([]);
  });

  test("a channel that was away for days is told of the end of what it was told of, and of what fires next", () => {
    const watch = new Watch();
    const sent: string[] = [];
    const days = 3 * 24 * 3600;
    for (let second = 0; second < 5; second++) watch.turn(second, [true, false], true);
    watch.send(5, "mail", sent);
    for (let second = 5; second < 15; second++) watch.turn(second, [false, false], true);
    // What nobody was told of is not told any more after a day.
    expect(outstanding(watch.ledger, "webhook", began + days * 1000)).toEqual([]);
    watch.send(days, "mail", sent);
    for (let second = days; second < days + 5; second++) watch.turn(second, [true, false], true);
    watch.send(days + 5, "mail", sent);
    watch.send(days + 5, "webhook", sent);
    const [key] = keys;
    expect(sent).toEqual([`${key} fired`, `${key} recovered`, `${key} fired`, `${key} fired`]);
  });

  /** One second: what two things are, which of three servers leads, which channels work, who hears whom. */
  const second = fc.record({
    holds: fc.tuple(
      fc.constantFrom(true, true, false, false, null),
      fc.constantFrom(true, false, false, null),
    ),
    leader: fc.nat({ max: 2 }),
    works: fc.subarray([...channels]),
    stays: fc.nat({ max: 8 }),
  });

  test("whoever leads, however channels fail: never two notices without a recovery between, each with its recovery", () => {
    fc.assert(
      fc.property(fc.array(second, { maxLength: 30 }), (script) => {
        const servers = [new Watch(), new Watch(), new Watch()];
        const sent: Record<string, string[]> = { webhook: [], mail: [] };
        let now = 0;
        const one = (holds: readonly (boolean | null)[], leader: number, works: readonly ChannelName[]) => {
          for (const [index, server] of servers.entries()) server.turn(now, holds, index === leader);
          for (const channel of works) servers[leader]?.send(now, channel, sent[channel] ?? []);
          const together = servers.map(({ ledger }) => ledger).reduce(mergeLedgers);
          for (const server of servers) server.ledger = together;
          now += 1;
        };
        for (const { holds, leader, works, stays } of script)
          for (let times = 0; times <= stays; times++) one(holds, leader, works);
        for (let times = 0; times < 20; times++) one([false, false], 0, channels);
        for (const channel of channels) {
          for (const key of keys) {
            const kinds = (sent[channel] ?? [])
              .filter((notice) => notice.startsWith(key))
              .map((notice) => notice.split(" ")[1]);
            expect(kinds.length % 2).toBe(0);
            expect(kinds).toEqual(kinds.map((_, index) => (index % 2 === 0 ? "fired" : "recovered")));
          }
          expect(outstanding(servers[0]?.ledger ?? emptyLedger, channel, began + now * 1000)).toEqual([]);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("what servers know together", () => {
  const at = fc.constantFrom(iso(1), iso(2), iso(3));
  const told = fc.record({ fired: fc.option(at, { nil: null }), recovered: fc.option(at, { nil: null }) });
  const ledger = fc.record({
    incidents: fc.dictionary(
      fc.constantFrom(...keys),
      fc.record({
        ...{
          key: fc.constant(keys[0]),
          number: fc.integer({ min: 1, max: 3 }),
          rule: fc.constant("server-inactive" as const),
        },
        ...{
          severity: fc.constant("warning" as const),
          subject: fc.constantFrom("a", "b"),
          problem: fc.constant("is down"),
        },
        ...{ remedy: fc.constant("start it"), firedAt: at, recoveredAt: fc.option(at, { nil: null }) },
        told: fc.record({ webhook: told, mail: told }, { requiredKeys: [] }),
      }),
    ),
    channels: fc.dictionary(
      fc.constantFrom("webhook" as const),
      fc.record({ at, problem: fc.option(fc.constantFrom("x", "y"), { nil: null }) }),
    ),
  });

  test("is the same in whatever order, and however often it is heard", () => {
    fc.assert(
      fc.property(ledger, ledger, ledger, (a, b, c) => {
        expect(mergeLedgers(a, b)).toEqual(mergeLedgers(b, a));
        expect(mergeLedgers(mergeLedgers(a, b), c)).toEqual(mergeLedgers(a, mergeLedgers(b, c)));
        expect(mergeLedgers(mergeLedgers(a, b), b)).toEqual(mergeLedgers(a, b));
      }),
    );
  });

  test("survives the way over the network and the disk", () => {
    const watch = new Watch();
    for (let now = 0; now < 5; now++) watch.turn(now, [true, false], true);
    const known = markChannel(watch.ledger, "mail", iso(5), "connect ECONNREFUSED");
    expect(ledgerSchema.parse(JSON.parse(JSON.stringify(known)))).toEqual(known);
  });
});
