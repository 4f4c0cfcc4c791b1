import { expect, it } from "vitest";
import { parseGatewayStatistics } from "../../core/gatewayStatistics.ts";

/** As HAProxy 3.0 answers, cut after the columns that count. */
const answer = `HTTP/1.0 200 OK\r
cache-control: no-cache\r
content-type: text/plain; charset=utf-8\r
\r
# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,dresp,ereq,econ,eresp,wretr,wredis,status,weight,
entry,FRONTEND,,,1,4,4096,9,1,1,0,0,0,,,,,OPEN,,
servers,primary,0,0,0,1,,5,1,1,,0,,0,0,0,0,UP,1,
servers,secondary,0,0,0,1,,5,1,1,,0,,0,0,0,0,UP 1/3,1,
servers,read-only,0,0,0,1,,5,1,1,,0,,0,0,0,0,DOWN,1,
servers,BACKEND,0,0,0,1,410,5,1,1,0,0,,0,0,0,0,UP,2,
duty,primary,0,0,0,0,,0,0,0,,0,,0,0,0,0,UP,1,
duty,secondary,0,0,0,0,,0,0,0,,0,,0,0,0,0,DOWN,1,
duty,BACKEND,0,0,0,0,410,0,0,0,0,0,,0,0,0,0,UP,1,
`;

it("what the gateway knows of each server", () => {
  expect(Object.fromEntries(parseGatewayStatistics(answer))).toEqual({
    primary: { isAlive: true, isOnDuty: true },
    secondary: { isAlive: true, isOnDuty: false },
    "read-only": { isAlive: false, isOnDuty: false },
  });
});

it("of something else nothing is known", () => {
  expect(parseGatewayStatistics("HTTP/1.0 503 Service Unavailable").size).toBe(0);
});
